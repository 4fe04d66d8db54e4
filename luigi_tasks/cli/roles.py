"""The roles of the warehouse, as the command `socialmart roles` prints, applies and checks them."""

from collections.abc import Iterator
from contextlib import closing, contextmanager

import psycopg2
from psycopg2.extensions import cursor as Cursor

from luigi_tasks import texts, warehouse
from luigi_tasks.errors import PipelineError
from luigi_tasks.privacy import grants, map_file, roles
from luigi_tasks.privacy.grants import Differences
from luigi_tasks.warehouse import audit_chain, layers, server_errors


@contextmanager
def _reading_as_login() -> Iterator[Cursor]:
    """A cursor with the rights of the login itself, which may be an administrator, or not in any role yet."""
    with closing(warehouse.connect(layer=None)) as connection:
        try:
            with connection, connection.cursor() as cursor:
                yield cursor
        except psycopg2.Error as error:
            raise PipelineError(f"roles: {server_errors.quote_message(error)}; nothing was changed") from error


def _find_place(cursor: Cursor, login: str) -> roles.Place:
    cursor.execute("select current_database()::text, session_user::text")
    database, user = cursor.fetchone()
    return roles.Place(database, login or user)


def format_statements(login: str, database: str) -> str:
    """The SQL of all roles, as one transaction. Raises PipelineError where no roles are set."""
    place = roles.Place(database, login)
    if not (database and login):
        with _reading_as_login() as cursor:
            found = _find_place(cursor, login)
        place = roles.Place(database or found.database, found.login)
    statements = roles.list_statements(map_file.read_map(), place)
    return ";\n".join(["begin", *statements, "commit"]) + ";"


def apply(login: str) -> str:
    """Make the roles and grant what the map says. Returns what is to be told."""
    with _reading_as_login() as cursor:
        place = _find_place(cursor, login)
        roles.apply(cursor, map_file.read_map(), place)
        layers.enter(cursor, layers.LOADER)  # which owns the audit chain
        audit_chain.append(cursor, audit_chain.ROLES_APPLIED, enters=place.login, **audit_chain.describe_operator())
    number = len(roles.list_roles())
    return f"{number} roles have the rights of the map on database {place.database}; {place.login} enters them"


def find_differences(login: str) -> Differences:
    """What is granted otherwise than the map says."""
    with _reading_as_login() as cursor:
        return grants.find_differences(cursor, map_file.read_map(), _find_place(cursor, login).login)


def list_lines(found: Differences) -> Iterator[str]:
    """The differences in lines, and what to do about them."""
    yield from (texts.format_line(f"missing: {sentence}") for sentence in found.missing)
    yield from (texts.format_line(f"too many: {sentence}") for sentence in found.extra)
    if found.missing or found.extra:
        yield "socialmart roles apply grants what is missing; revoke what others have too many of, or run the SQL there"
    else:
        yield "owners, rights and memberships are as the map says"
