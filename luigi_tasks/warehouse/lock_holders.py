"""Lock holders: the sessions that have held a lock on a table of the warehouse for as long as a statement waited."""

from psycopg2.extensions import cursor as Cursor

from luigi_tasks.warehouse.schema_names import SCHEMAS

LONGEST_QUERY = 80
"""Characters of a session's query in the message: enough to recognise it."""
MOST_NAMED = 3
"""Sessions in the message: the strongest locks come first, and others hardly matter."""

# Without pg_read_all_stats the server hides when another login's session began: such sessions are listed, too.
HOLDERS = """
with held as (
    select distinct on (pid)
        pid, mode, relation::regclass::text as relation, strength
    from pg_locks
    join pg_class on pg_class.oid = relation
    cross join lateral array_position(
        array[
            'AccessExclusiveLock', 'ExclusiveLock', 'ShareRowExclusiveLock', 'ShareLock', 'ShareUpdateExclusiveLock',
            'RowExclusiveLock', 'RowShareLock', 'AccessShareLock'
        ], mode
    ) as strength
    where
        granted
        and database = (select oid from pg_database where datname = current_database())
        and relnamespace::regnamespace::text = any(%(schemas)s)
        and relkind in ('r', 'v')
    order by pid, strength
)
select
    pid, coalesce(usename, backend_type, 'unknown'), coalesce(nullif(application_name, ''), 'unnamed'),
    case when backend_start is null then 'unknown' else coalesce(host(client_addr), 'this machine') end,
    coalesce(to_char(xact_start at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS "UTC"'), 'unknown'),
    mode, relation, left(regexp_replace(query, '\\s+', ' ', 'g'), %(longest)s)
from held
join pg_stat_activity using (pid)
where pid <> pg_backend_pid() and (xact_start is null or xact_start <= now() - make_interval(secs => %(seconds)s))
order by strength, xact_start
limit %(most)s
"""


def describe_lock_holders(cursor: Cursor, seconds: int) -> str:
    """A sentence that names the sessions with locks of at least `seconds`, the strongest first, and says what to do."""
    parameters = {"schemas": list(SCHEMAS), "longest": LONGEST_QUERY, "seconds": seconds, "most": MOST_NAMED}
    cursor.execute(HOLDERS, parameters)
    holders = cursor.fetchall()
    if not holders:
        return "the session that held it has ended since; run again"
    listed = "; ".join(
        f"pid {pid} (user {user}, application {application}, from {address}, since {since}) "
        f"holds {mode} on {relation}: {query}"
        for pid, user, application, address, since, mode, relation, query in holders
    )
    return f"{listed}; wait for its end, or end it with select pg_terminate_backend({holders[0][0]}), then run again"
