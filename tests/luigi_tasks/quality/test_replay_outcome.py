"""What became of rejected records, in a real PostgreSQL."""

from dataclasses import astuple

import pytest
from psycopg2.extras import execute_values

from luigi_tasks import warehouse
from luigi_tasks.quality import quarantine, replay_outcome
from luigi_tasks.quality.replay_outcome import ReplayOutcome
from luigi_tasks.warehouse import migrations

ONE, TWO, THREE = "one", "two", "three"


def document(position: int, raw: str | None, rule: str = "not_json", file: str = "f") -> tuple:
    return ("b", file, position, None, None, "document", [rule], raw)


def stand(rejected: list[tuple], read: int) -> None:
    """Have these records rejected in the batch, of so many documents that it holds."""
    with warehouse.transaction() as cursor:
        cursor.execute("delete from raw_data.rejected; delete from etl.ledger")
        execute_values(cursor, "insert into raw_data.rejected values %s", rejected or [document(0, "")])
        if not rejected:
            cursor.execute("delete from raw_data.rejected")
        cursor.execute("insert into etl.ledger values ('b', 'passed', 'document', 'records', %s, 0, 0, 0)", (read,))


@pytest.fixture
def became(own_warehouse):
    """What a replay says of records rejected before and now: by rule (before, came back, still rejected, gone)."""
    migrations.apply()

    def ask(before: list[tuple], now: list[tuple], read_before: int = 10, read_now: int = 10) -> dict[str, tuple]:
        stand(before, read_before)
        with quarantine.open_quarantine() as cursor:
            replay_outcome.remember_rejected(cursor, ["b"])
        stand(now, read_now)
        with quarantine.open_quarantine() as cursor:
            replay_outcome.compare_rejected(cursor, ["b"], "r")
        return {outcome.rule: astuple(outcome)[3:] for outcome in replay_outcome.read_outcomes("r")}

    return ask


def test_compare_rejected__counts_what_came_back_and_what_did_not(became):
    assert became([document(1, ONE), document(5, TWO)], [document(5, TWO)]) == {"not_json": (2, 1, 1, 0)}


def test_compare_rejected__knows_a_record_by_its_text_wherever_it_stands_now(became):
    before = [document(1, ONE, "r1"), document(5, TWO, "r2"), document(9, THREE, "r3")]
    now = [document(3, TWO, "r2", file="g"), document(1, THREE, "r3")]
    assert became(before, now) == {"r1": (1, 1, 0, 0), "r2": (1, 0, 1, 0), "r3": (1, 0, 1, 0)}


def test_compare_rejected__counts_equal_texts_as_often_as_they_are_there(became):
    before = [document(number, ONE) for number in range(5)]
    assert became(before, before[:2]) == {"not_json": (5, 3, 2, 0)}


def test_compare_rejected__takes_a_record_with_a_changed_text_for_the_same_while_it_is_rejected(became):
    before = [document(1, ONE, "r1"), document(5, TWO, "r2")]
    assert became(before, [document(7, "changed", "r2")]) == {"r1": (1, 1, 0, 0), "r2": (1, 0, 1, 0)}


def test_compare_rejected__finds_it_rejected_by_another_rule_too(became):
    assert became([document(1, ONE, "r1")], [document(1, "changed", "r2")]) == {"r1": (1, 0, 1, 0)}


def test_compare_rejected__does_not_mind_what_else_is_rejected_in_another_file(became):
    assert became([document(1, ONE)], [document(1, TWO, file="late")]) == {"not_json": (1, 1, 0, 0)}


def test_compare_rejected__counts_as_gone_what_the_batch_holds_less(became):
    before = [document(1, ONE), document(5, TWO), document(9, THREE)]
    assert became(before, [document(1, THREE)], 10, 9) == {"not_json": (3, 1, 1, 1)}


def test_compare_rejected__finds_no_more_gone_than_are_not_rejected_any_more(became):
    assert became([document(1, ONE), document(5, TWO)], [document(1, TWO)], 10, 1) == {"not_json": (2, 0, 1, 1)}


def test_compare_rejected__counts_a_record_under_every_rule_that_it_broke(became):
    post = ("b", "f", 1, 0, None, "post", ["parent_rejected", "missing_post_id"], "{}")
    assert became([post], []) == {"parent_rejected": (1, 1, 0, 0), "missing_post_id": (1, 1, 0, 0)}


def test_compare_rejected__forgets_what_it_has_compared(became):
    became([document(1, ONE)], [])
    with warehouse.transaction() as cursor:
        cursor.execute("select count(*) from etl.replayed_records")
        assert cursor.fetchone() == (0,)


def test_remember_rejected__keeps_what_is_not_compared_yet(became):
    stand([document(1, ONE), document(5, TWO)], 10)
    with quarantine.open_quarantine() as cursor:
        replay_outcome.remember_rejected(cursor, ["b"])
    assert became([document(5, TWO)], [document(5, TWO)]) == {"not_json": (2, 1, 1, 0)}


def test_format_outcomes__sums_over_batches():
    outcomes = [ReplayOutcome(batch, "not_json", "document", 1000, 700, 200, 100) for batch in "ab"]
    assert replay_outcome.format_outcomes(outcomes) == (
        "  not_json document: 2,000 rejected before = 1,400 came back + 400 still rejected + 200 gone"
    )
