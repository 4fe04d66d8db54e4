"""The audit chain, in a real PostgreSQL: what it holds, who may write to it, and that tampering shows."""

import hashlib
import threading
from collections.abc import Callable
from contextlib import closing

import psycopg2
import pytest

from luigi_tasks import warehouse
from luigi_tasks.errors import PipelineError
from luigi_tasks.warehouse import audit_chain, migrations
from luigi_tasks.warehouse.audit_chain import (
    Anchor,
    Entry,
    FoundAnchor,
    append,
    find_anchors,
    list_faults,
    list_strange_places,
)

LENGTH = 6
"""Entries of the chain that is tampered with."""


@pytest.fixture
def chain(shared_warehouse):
    """A chain of LENGTH entries."""
    migrations.apply()
    with warehouse.transaction() as cursor:
        cursor.execute("truncate etl.audit")
        for number in range(1, LENGTH + 1):
            append(cursor, "counted", number=number)


def rows(sql: str, *parameters: object) -> list[tuple[object, ...]]:
    with warehouse.transaction() as cursor:
        cursor.execute(sql, parameters or None)
        return cursor.fetchall() if cursor.description else []


def read_entries(**options: object) -> list[Entry]:
    with warehouse.transaction() as cursor:
        return list(audit_chain.read_entries(cursor, **options))


def head() -> Anchor:
    with warehouse.reading() as cursor:
        found = audit_chain.read_head(cursor)
    assert found
    return found


def faults(*anchors: Anchor) -> list[str]:
    return list_faults(read_entries(), [FoundAnchor(anchor, "journal.jsonl") for anchor in anchors])


def rechain(first: int) -> None:
    """Compute the hashes anew from a position on, as someone would who may write to the table."""
    before = None
    for entry in read_entries():
        if entry.position >= first:
            entry = entry._replace(previous=before.hash if before else audit_chain.NO_PREVIOUS)
            entry = entry._replace(hash=entry.compute_hash())
            rows(
                "update etl.audit set previous = %s, hash = %s where position = %s",
                entry.previous,
                entry.hash,
                entry.position,
            )
        before = entry


def replace_head() -> None:
    rows("update etl.audit set login = 'somebody' where position = %s", LENGTH)
    rechain(LENGTH)


def delete_and_close_the_gap() -> None:
    rows("delete from etl.audit where position = 3")
    rows("update etl.audit set position = position - 1 where position > 3")
    rechain(3)


def insert_and_make_room() -> None:
    for position in range(LENGTH, 2, -1):
        rows("update etl.audit set position = position + 1 where position = %s", position)
    rows("insert into etl.audit select 3, at, 'x', event, run, details, previous, hash from etl.audit limit 1")
    rechain(3)


def cut_to(end: int) -> str:
    return (
        f"the chain ends with entry {end}, but the anchor of entry 6 is in journal.jsonl: its end was cut off; or an "
        "older backup was restored, or this is another warehouse"
    )


CHANGED = "entry 3 was changed: its hash is not that of its fields"
REPLACED = (
    "entry 6 is not the one whose anchor is in journal.jsonl: it, or one before it, was replaced, and all hashes after "
    "that computed anew; or this is another warehouse"
)
UNCONNECTED = "entry {} does not follow the one before it: one of them was replaced or inserted"
EMPTY = "the chain is empty, although its table is made with an entry in it"
TAMPERED: dict[str, tuple[str | Callable[[], None], list[str], list[str]]] = {
    **{
        change: (f"update etl.audit set {change} where position = 3", [CHANGED], [CHANGED])
        for change in (
            "login = 'somebody'",
            "event = 'nothing'",
            "run = 'r'",
            "at = at + interval '1 microsecond'",
            "at = 'infinity'",
            """details = '{"number":3}'""",
            "event = event || left(run, 1), run = substr(run, 2)",
        )
    },
    "previous": (
        "update etl.audit set previous = repeat('a', 64) where position = 3",
        [UNCONNECTED.format(3), CHANGED],
        [UNCONNECTED.format(3), CHANGED],
    ),
    "hash": (
        "update etl.audit set hash = repeat('a', 64) where position = 3",
        [CHANGED, UNCONNECTED.format(4)],
        [CHANGED, UNCONNECTED.format(4)],
    ),
    "deleted": ("delete from etl.audit where position = 3", ["entry 3 is missing"], ["entry 3 is missing"]),
    "two deleted": (
        "delete from etl.audit where position in (3, 4)",
        ["entries 3 to 4 are missing"],
        ["entries 3 to 4 are missing"],
    ),
    "first deleted": ("delete from etl.audit where position = 1", ["entry 1 is missing"], ["entry 1 is missing"]),
    "deleted, all after it hashed anew": (delete_and_close_the_gap, [], [cut_to(5)]),
    "inserted, all after it hashed anew": (insert_and_make_room, [], [REPLACED]),
    "end cut off": ("delete from etl.audit where position > 4", [], [cut_to(4)]),
    "last replaced": (replace_head, [], [REPLACED]),
    "emptied": ("truncate etl.audit", [EMPTY], [cut_to(0), EMPTY]),
}
"""By what was done: the statement or the function that does it, and what is found without and with an anchor."""


@pytest.mark.parametrize(("tamper", "alone", "anchored"), TAMPERED.values(), ids=TAMPERED)
def test_list_faults__finds_tampering(chain, tamper, alone, anchored):
    anchor = head()
    assert faults(anchor) == []
    if callable(tamper):
        tamper()
    else:
        rows(tamper)
    assert (faults(), faults(anchor)) == (alone, anchored)


def test_list_faults__finds_an_entry_that_stands_there_twice(chain):
    entries = read_entries()
    found = list_faults([*entries[:3], entries[2], *entries[3:]], [])
    assert found == ["entry 3 stands there twice, or is none"]


def test_list_strange_places__names_where_anchors_of_another_chain_were_noted(chain):
    entries = read_entries()
    own = [FoundAnchor(Anchor(entry.hash, entry.position), "own") for entry in entries]
    others = [own[-1]._replace(place="later"), FoundAnchor(Anchor("0" * 64, 2), "other")]
    assert list_strange_places(entries[:-1], [*own[:-1], *others]) == {"later", "other"}
    assert list_strange_places(entries[3:], [*own, others[1]]) == set()
    assert list_strange_places([], own) == {"own"}


def test_list_faults__looks_at_the_last_entries_alone(chain):
    first, last = read_entries()[0], head()
    entries = read_entries(last=2)
    assert [entry.position for entry in entries] == [5, 6]
    old = FoundAnchor(Anchor(first.hash, 1), "")
    assert list_faults(entries, [old, FoundAnchor(last, "")], is_whole=False) == []
    assert list_faults(entries, [FoundAnchor(last._replace(position=7), "")], is_whole=False) != []
    assert list_faults(entries[::2], [FoundAnchor(last._replace(position=5), "")], is_whole=False) != []


def test_append__links_each_entry_to_the_one_before_it(chain):
    entries = read_entries()
    assert [entry.position for entry in entries] == [*range(1, LENGTH + 1)]
    assert [entry.previous for entry in entries] == [audit_chain.NO_PREVIOUS, *(entry.hash for entry in entries[:-1])]
    assert (entries[2].login, entries[2].event, entries[2].details) == ("socialmart", "counted", '{"number": 3}')
    assert head() == (entries[-1].hash, LENGTH)


def test_append__hashes_every_field_after_its_length(chain):
    entry = read_entries()[0]
    text = (
        f"1:1{len(entry.microseconds)}:{entry.microseconds}10:socialmart7:counted{len(entry.run)}:{entry.run}"
        f'13:{{"number": 1}}64:{"0" * 64}'
    )
    assert entry.hash == hashlib.sha256(text.encode()).hexdigest()


def test_append__gives_the_same_hash_in_every_language_and_time_zone(chain):
    with warehouse.transaction() as cursor:
        cursor.execute("set local timezone = 'Asia/Kathmandu'; set local datestyle = 'sql, dmy'")
        cursor.execute("set local extra_float_digits = -15; set local lc_numeric = 'C'; set local search_path = etl")
        append(cursor, "gezählt", name='ä\n"\\')
        cursor.execute("select at = clock_timestamp() or at < clock_timestamp() from etl.audit where position = 7")
        assert cursor.fetchone() == (True,)
    assert faults() == []


def test_append__enters_the_same_of_one_run_once(chain):
    with warehouse.reading() as cursor:
        first = append(cursor, "counted", number=2)
        assert first and first.position == 2
        assert append(cursor, "counted", number=7) == head()
    assert head().position == LENGTH + 1


def test_append__says_who_logged_in_whatever_role_the_session_has(chain):
    rows("create role worker; create role clerk login; grant worker to clerk; grant usage on schema etl to worker")
    rows("grant execute on function etl.append_audit(text, text, text) to worker")
    where = warehouse.start_embedded().parameters
    opened = psycopg2.connect(host=where["PGHOST"], port=where["PGPORT"], dbname=where["PGDATABASE"], user="clerk")
    with closing(opened) as connection, connection, connection.cursor() as cursor:
        cursor.execute("set role worker")
        append(cursor, "as a worker")
    assert [entry.login for entry in read_entries()] == ["socialmart"] * LENGTH + ["clerk"]
    assert faults() == []


def test_table__is_written_by_its_function_alone(chain):
    rows("create role outsider; grant usage on schema etl to outsider")
    for statement in (
        "insert into etl.audit select * from etl.audit",
        "update etl.audit set login = ''",
        "delete from etl.audit",
        "truncate etl.audit",
        "lock table etl.audit in row exclusive mode",
        "select etl.append_audit('', '', '{}')",
    ):
        with pytest.raises(PipelineError, match=r"permission denied for (table|function) "):
            rows(f"set local role outsider; {statement}")


def test_append__means_its_own_objects_whatever_others_have_made(chain):
    rows("create schema trap; create function trap.sha256(bytea) returns bytea language sql as $$ select ''::bytea $$")
    with warehouse.transaction() as cursor:
        cursor.execute("set local search_path = trap, pg_catalog")
        append(cursor, "trapped")
    assert faults() == []


def test_append__makes_one_chain_of_several_writers(chain):
    writers, each = 4, 25
    barrier, errors = threading.Barrier(writers), []

    def write(writer: int) -> None:
        connection = warehouse.connect()
        barrier.wait()
        try:
            for number in range(each):
                with connection, connection.cursor() as cursor:
                    append(cursor, "written", writer=writer, number=number)
                    cursor.execute("select pg_sleep(0.001)")  # the lock is held until the transaction ends
        except psycopg2.Error as error:
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=write, args=(writer,)) for writer in range(writers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert (len(read_entries()), faults(head())) == (LENGTH + writers * each, [])


def test_append__leaves_no_gap_where_a_transaction_is_rolled_back(chain):
    with pytest.raises(ZeroDivisionError), warehouse.transaction() as cursor:
        append(cursor, "lost")
        raise ZeroDivisionError
    with warehouse.reading() as cursor:
        append(cursor, "kept")
    assert (head().position, faults()) == (LENGTH + 1, [])


def test_find_anchors__finds_them_in_any_text():
    anchor = Anchor("ab" * 32, 12)
    assert [*find_anchors(f'the audit chain is at {anchor}\n{{"anchor": "{anchor}"}} {"f" * 65}@3 {"c" * 64}@0')] == [
        anchor,
        anchor,
    ]
