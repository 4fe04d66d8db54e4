"""What the rules find in texts: masked_texts.tsv has texts, each with what is to become of it (nothing: it stays)."""

import re
from collections import Counter
from pathlib import Path

import pytest

from luigi_tasks import warehouse
from luigi_tasks.privacy import masks
from luigi_tasks.privacy.masks import compose_functions, fingerprint_masks

TEXTS = Path(__file__).with_name("masked_texts.tsv")
FLOORS = {"email": (0.97, 1.0), "link": (1.0, 0.97), "mention": (1.0, 1.0), "ip": (1.0, 1.0), "phone": (0.95, 0.98)}
"""By rule, the least recall and precision."""
REPLACED = re.compile(rf"\[({'|'.join(FLOORS)})\]")


@pytest.fixture(scope="module")
def masked(shared_warehouse) -> list[tuple[str, str, str]]:
    """Texts, what is to become of them, and what does."""
    lines = [line.split("\t") for line in TEXTS.read_text(encoding="utf-8").splitlines()]
    with warehouse.transaction() as cursor:
        cursor.execute("create schema published")
        cursor.execute(compose_functions())
        cursor.execute(
            "select unnest(%s), unnest(%s), published.mask_text(unnest(%s))",
            ([text for text, _ in lines], [masked or text for text, masked in lines], [text for text, _ in lines]),
        )
        return cursor.fetchall()


@pytest.mark.parametrize("rule", FLOORS)
def test_mask_text__finds_what_it_is_to_find_and_little_else(masked, rule):
    expected, found, right = Counter(), Counter(), Counter()
    for _, wanted, got in masked:
        wanted_here, got_here = (Counter(REPLACED.findall(text)) for text in (wanted, got))
        expected += wanted_here
        found += got_here
        right += wanted_here & got_here
    recall, precision = right[rule] / expected[rule], right[rule] / found[rule]
    assert expected[rule] >= 15 and (recall, precision) >= FLOORS[rule] and precision >= FLOORS[rule][1]


def test_mask_text__changes_nothing_else(masked):
    assert len(masked) >= 300
    wrong = {text: got for text, wanted, got in masked if got != wanted}
    assert len(wrong) <= 5, wrong


@pytest.mark.usefixtures("masked")
def test_mask_text__gives_no_text_to_functions_that_its_reader_puts_in_front():
    with warehouse.transaction() as cursor:
        cursor.execute("create schema spy; create table spy.seen (seen text)")
        for name, arguments in (("regexp_replace", "text, text, text, text"), ("strpos", "text, text")):
            returned = "text" if name == "regexp_replace" else "int"
            cursor.execute(
                f"create function spy.{name}({arguments}) returns {returned} language plpgsql as "
                f"$$ begin insert into spy.seen values ($1); return null; end $$"
            )
        cursor.execute("set local search_path = spy, pg_catalog; discard plans")
        cursor.execute(
            "select published.mask_text('Mail ann@example.com, https://example.com'), count(*) from spy.seen"
        )
        assert cursor.fetchall() == [("Mail [email], [link]", 0)]


def test_compose_functions__puts_parts_within_parts_in_their_place(monkeypatch, tmp_path):
    file = tmp_path / "masks.sql"
    file.write_text("-- <<name>>\n-- <<b>> = b[<<a c>>]+\n-- <<a c>> = A-Z\n\ncreate or replace function f '<<b>>';\n")
    monkeypatch.setattr(masks, "FUNCTIONS", file)
    assert compose_functions() == "-- <<name>>\n\ncreate or replace function f 'b[A-Z]+';\n"
    before = fingerprint_masks()
    file.write_text(file.read_text().replace("A-Z", "A-Y"))
    assert fingerprint_masks() != before
    file.write_text(file.read_text().replace("'<<b>>'", "<<d>>"))
    with pytest.raises(KeyError, match="d"):
        compose_functions()
