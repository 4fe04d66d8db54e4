"""Sets aside what others made on relations that a run replaces, and makes it again afterwards.

Until then it is in etl.set_aside, as SQL: a run that is killed in between loses nothing, the next one goes on. Grants
on relations of ours, and their policies, are kept in the same way.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import psycopg2
from psycopg2.errors import (
    DuplicateFunction,
    DuplicateObject,
    DuplicateTable,
    InsufficientPrivilege,
    UndefinedColumn,
)
from psycopg2.extensions import cursor as Cursor

from luigi_tasks import config
from luigi_tasks.errors import PipelineError
from luigi_tasks.warehouse import dependents
from luigi_tasks.warehouse.dependents import RIGHTS, Definition, Dependent

ALREADY_THERE = (DuplicateFunction, DuplicateObject, DuplicateTable)

Failures = dict[str, str]
"""Why something could not be made again, by its kind and name."""


@dataclass(frozen=True)
class Pending:
    """An object in etl.set_aside: its kind and name, its owner, since when it is there, and why."""

    title: str
    owner: str
    since: datetime
    reason: str


def set_aside(cursor: Cursor, roots: Sequence[int], kept: Sequence[int] = ()) -> bool:
    """Drop what depends on relations that are about to be replaced, and keep the SQL that makes it again.

    `roots` are the oids of the relations; what depends on those in `kept` alone stays. Returns whether anything was
    dropped. Raises PipelineError where something depends on them that cannot be made again.
    """
    cursor.execute("set local search_path = pg_catalog")  # so that all names are read with their schemas
    found = dependents.find_dependents(cursor, roots, kept)
    stuck = [one.description for one in found if one.kind is None]
    if stuck:
        raise PipelineError(
            f"this run replaces relations on which others depend that it cannot make again: {', '.join(stuck)}; "
            "nothing was changed; drop these, then run again"
        )
    for root in roots:
        rights = dependents.read_definition(cursor, RIGHTS, root)
        if rights.statements or rights.rights is not None:
            _keep(cursor, rights)
    definitions = [dependents.read_definition(cursor, one.kind or "", one.oid) for one in found]
    for definition in definitions:
        _keep(cursor, definition)
    _drop_all(cursor, found, definitions)
    return bool(found)


def _keep(cursor: Cursor, definition: Definition) -> None:
    """Insert a definition, unless one of that name is there from an earlier run that did not get to its end."""
    cursor.execute(
        "insert into etl.set_aside (kind, name, owner, statements, rights) values (%s, %s, %s, %s, %s) "
        "on conflict (kind, name) do nothing",
        (definition.kind, definition.name, definition.owner, list(definition.statements), definition.rights),
    )


def _drop_all(cursor: Cursor, found: Sequence[Dependent], definitions: Sequence[Definition]) -> None:
    """Drop the dependents, the last of a chain first. What only its owner may drop goes with what it depends on."""
    refused: Failures = {}
    for dependent, definition in zip(reversed(found), reversed(definitions), strict=True):
        cursor.execute("savepoint before_drop")
        try:
            cursor.execute(definition.drop)
        except InsufficientPrivilege as error:
            cursor.execute("rollback to savepoint before_drop")
            refused[dependent.description] = _first_line(error)
    refuse(refused)


def restore(cursor: Cursor) -> Failures:
    """Make everything again that is set aside, where that is possible. Returns what is not, and why.

    Something of that name that is there already, made by its owner in the meantime, stays as it is.
    """
    cursor.execute("set local search_path = pg_catalog")
    cursor.execute("select position, kind, name, statements, rights from etl.set_aside order by position")
    pending = cursor.fetchall()
    while pending:  # whatever depends on another is tried again after it
        failed = [(row, reason) for row in pending if (reason := _make_again(cursor, *row))]
        if len(failed) == len(pending):
            return {f"{kind} {name}": reason for (_, kind, name, *_), reason in failed}
        pending = [row for row, _ in failed]
    return {}


def _make_again(
    cursor: Cursor, position: int, kind: str, name: str, statements: Sequence[str], rights: Sequence[str] | None
) -> str:
    """Make an object again, and remove it from etl.set_aside. Returns why that is not possible, "" where it is."""
    cursor.execute("savepoint before_object")
    try:
        if _is_to_be_made(cursor, kind, name, statements):
            for statement in statements if kind == RIGHTS else statements[1:]:
                cursor.execute(statement)
            _grant(cursor, kind, name, rights)
    except psycopg2.Error as error:
        if cursor.connection.closed:
            raise
        cursor.execute("rollback to savepoint before_object")
        reason = _first_line(error)
        cursor.execute("update etl.set_aside set reason = %s where position = %s", (reason, position))
        return reason
    cursor.execute("delete from etl.set_aside where position = %s", (position,))
    return ""


def _is_to_be_made(cursor: Cursor, kind: str, name: str, statements: Sequence[str]) -> bool:
    """Create an object by its first statement. False where there is one of that name.

    Rights on a relation end with it, as when a model was removed from the project.
    """
    if kind == RIGHTS:
        cursor.execute("select to_regclass(%s) is not null", (name,))
        return cursor.fetchone() == (True,)
    cursor.execute("savepoint before_create")
    try:
        cursor.execute(statements[0])
    except ALREADY_THERE:
        cursor.execute("rollback to savepoint before_create")
        return False
    return True


def _grant(cursor: Cursor, kind: str, name: str, rights: Sequence[str] | None) -> None:
    """Give a new object the rights that the one before had, in place of those that every new object has."""
    if rights is None:
        return
    if kind != "routine":
        cursor.execute(
            "select format('revoke all on %%s from %%s', oid::regclass, "
            "case grantee when 0 then 'public' else quote_ident(pg_get_userbyid(grantee)) end) "
            "from pg_class cross join aclexplode(relacl) where oid = %s::regclass and grantee <> relowner",
            (name,),
        )
        for (revoke,) in cursor.fetchall():
            cursor.execute(revoke)
    for grant in rights:
        cursor.execute("savepoint before_grant")
        try:
            cursor.execute(grant)
        except UndefinedColumn:  # a grant on a column alone ends with it
            cursor.execute("rollback to savepoint before_grant")


def rehearse(cursor: Cursor, before: Iterable[str]) -> None:
    """The same as `require_restored` on empty tables that stand for those to come; for the caller to roll back."""
    cursor.execute("delete from etl.set_aside where kind = 'foreign key'")  # for want of keys in these tables
    cursor.execute(
        "update etl.set_aside set statements = array("
        "select statement from unnest(statements) with ordinality as steps (statement, number) "
        "where not starts_with(statement, 'refresh ') order by number)"
    )
    require_restored(cursor, before)


def require_restored(cursor: Cursor, before: Iterable[str]) -> None:
    """Make everything again. Raises PipelineError, as `refuse` does, for what fails and is not in `before`."""
    failed = restore(cursor)
    refuse({title: reason for title, reason in failed.items() if title not in before})


def refuse(failed: Failures) -> None:
    """Raise PipelineError where anything failed and [warehouse] dependent_views does not say to set it aside."""
    if failed and config.read_section(config.warehouse).dependent_views == config.REFUSE:
        listed = ", ".join(f"{title} ({reason})" for title, reason in sorted(failed.items()))
        raise PipelineError(
            f"this run would lose objects of others, because it replaces what they depend on: {listed}; nothing was "
            "changed; change or drop them, grant PGUSER the rights that are missing, or set [warehouse] "
            "dependent_views = set_aside, which keeps their SQL in etl.set_aside"
        )


def list_pending(cursor: Cursor) -> list[Pending]:
    """What is set aside and could not be made again so far."""
    cursor.execute(
        "select kind || ' ' || name, owner, set_aside_at, coalesce(reason, 'the run was ended before') "
        "from etl.set_aside order by position"
    )
    return [Pending(*row) for row in cursor.fetchall()]


def _first_line(error: psycopg2.Error) -> str:
    return (error.diag.message_primary or str(error)).splitlines()[0]
