"""Compares the tables that dbt built with what their models select from what is there now."""

from collections.abc import Mapping

from psycopg2.extensions import cursor as Cursor

from luigi_tasks import warehouse
from luigi_tasks.dbt import runner
from luigi_tasks.dbt.publication import OnProgress
from luigi_tasks.warehouse import content_digests, relation_states


def find_wrong_suspects() -> list[str]:
    """The names of the suspected tables whose rows differ from what their models select.

    Where there are none, none is suspected any more.
    """
    with warehouse.reading() as cursor:
        suspected = relation_states.list_suspicions(cursor, relation_states.BUILT_BY_DBT)
    if not suspected:
        return []
    queries = {name: query for name, query in runner.compile_queries().items() if name in suspected}
    with warehouse.transaction() as cursor:
        relation_states.find_changes(cursor)  # reads the counters before the rows
        wrong = _compare_tables(cursor, queries, lambda done, total, status: None)
        if not wrong:
            relation_states.settle(cursor, suspected)
    return wrong


def find_wrong_tables(on_progress: OnProgress) -> list[str]:
    """The names of all tables that dbt built whose rows differ from what their models select. Changes nothing.

    A table is right if it is what its model makes of the tables before it, and they are right.
    """
    queries = runner.compile_queries()
    with warehouse.transaction() as cursor:
        return _compare_tables(cursor, queries, on_progress)


def _compare_tables(cursor: Cursor, queries: Mapping[str, str], on_progress: OnProgress) -> list[str]:
    cursor.execute("set local work_mem = '64MB'; set local jit = off; set local random_page_cost = 4")
    wrong = []
    for number, (name, query) in enumerate(queries.items()):
        on_progress(number, len(queries), f"{number:,} of {len(queries):,} tables compared, {name} is next")
        if not content_digests.are_rows_equal(cursor, name, query):
            wrong.append(name)
    return wrong
