"""Compares the tables that dbt built with what their models select from what is there now."""

from luigi_tasks import warehouse
from luigi_tasks.dbt import runner
from luigi_tasks.dbt.publication import OnProgress
from luigi_tasks.warehouse import content_digests, relation_states


def find_wrong_tables(
    everything: bool = False, on_progress: OnProgress = lambda done, total, status: None
) -> list[str]:
    """The names of the tables whose rows differ from what their models select.

    Compares those that are suspected, or `everything`; the others are no longer suspected then. A table is right if
    it is what its model makes of the tables before it, and they are right.
    """
    with warehouse.reading() as cursor:
        suspected = relation_states.list_suspicions(cursor, relation_states.BUILT_BY_DBT)
    if not suspected and not everything:
        return []
    queries = {name: query for name, query in runner.compile_queries().items() if everything or name in suspected}
    wrong = []
    with warehouse.transaction() as cursor:
        relation_states.find_changes(cursor)  # reads the counters before the rows
        cursor.execute("set local work_mem = '64MB'; set local jit = off; set local random_page_cost = 4")
        for number, (name, query) in enumerate(queries.items()):
            on_progress(number, len(queries), f"{number:,} of {len(queries):,} tables compared, {name} is next")
            if not content_digests.are_rows_equal(cursor, name, query):
                wrong.append(name)
        if not wrong:
            relation_states.settle(cursor, suspected)
    return wrong
