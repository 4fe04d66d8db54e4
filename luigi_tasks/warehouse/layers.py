"""Layers: the parts of the warehouse, each owned by one role, which the pipeline enters one at a time.

With `[privacy] role_prefix` the login owns nothing, and has no rights of its own: its sessions are those of the loader,
dbt's those of the transformer, and some statements act as another layer. So a model cannot change what was loaded, and
nothing but Publish changes what readers see. Without the setting there are no roles: the login owns everything.
privacy/roles.py creates the roles, and privacy/grants.py compares what is granted.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from psycopg2.errors import InsufficientPrivilege, InvalidParameterValue
from psycopg2.extensions import TRANSACTION_STATUS_INERROR
from psycopg2.extensions import cursor as Cursor

from luigi_tasks import config
from luigi_tasks.errors import PipelineError
from luigi_tasks.warehouse.schema_names import (
    CANDIDATES,
    CORE,
    ETL,
    INTERMEDIATE,
    LUIGI_HISTORY,
    MARTS,
    MARTS_PERSONAL,
    OPEN,
    PUBLISHED,
    RAW_DATA,
    STAGING,
)

LOADER, TRANSFORMER, PUBLISHER = LAYERS = ("loader", "transformer", "publisher")
OWNERS: Mapping[str, str] = {
    RAW_DATA: LOADER,
    ETL: LOADER,
    LUIGI_HISTORY: LOADER,
    STAGING: TRANSFORMER,
    CORE: TRANSFORMER,
    INTERMEDIATE: TRANSFORMER,
    CANDIDATES: TRANSFORMER,
    PUBLISHED: PUBLISHER,
    MARTS: PUBLISHER,
    MARTS_PERSONAL: PUBLISHER,
    OPEN: PUBLISHER,
}
"""By schema, the layer that owns it, and all of ours in it."""
READS: Mapping[str, tuple[str, ...]] = {
    LOADER: tuple(schema for schema, owner in OWNERS.items() if owner != LOADER),
    TRANSFORMER: (RAW_DATA, ETL),
    PUBLISHER: (ETL, STAGING, INTERMEDIATE, CANDIDATES),
}
"""By layer, the schemas of others that it reads: the loader, to compare, report and export them."""
SHARED = ("relations", "own_relations", "set_aside")
"""Tables of etl in which every layer notes what it builds: all insert, update and delete there."""
WRITERS = (TRANSFORMER, PUBLISHER)
"""The layers that need to be granted that, as the loader owns them."""


def name_role(name: str) -> str | None:
    """The role of a layer or of readers; None where there are no roles. It needs no quotes."""
    prefix = config.read_section(config.privacy).role_prefix
    return f"{prefix}_{name}" if prefix else None


def enter(cursor: Cursor, layer: str) -> None:
    """Make a session that of a layer. Raises PipelineError where there is no such role, or the login may not enter."""
    role = name_role(layer)
    if role is None:
        return
    try:
        cursor.execute(f"set role {role}")
    except (InsufficientPrivilege, InvalidParameterValue) as error:
        user = cursor.connection.info.user
        raise PipelineError(
            f"warehouse: user {user} cannot enter the role {role} ({error.diag.message_primary}); nothing was changed; "
            f"have an administrator run socialmart roles apply --login {user}, or correct [privacy] role_prefix; "
            "without a prefix no roles are used"
        ) from error


@contextmanager
def acting_as(cursor: Cursor, layer: str) -> Iterator[None]:
    """Have a session of the loader act as another layer while the block lasts."""
    enter(cursor, layer)
    try:
        yield
    finally:
        if cursor.connection.info.transaction_status != TRANSACTION_STATUS_INERROR:  # a rollback takes it back
            enter(cursor, LOADER)


@contextmanager
def acting_as_login(cursor: Cursor) -> Iterator[None]:
    """Have a session of the loader act as the login itself while the block lasts.

    To the login alone the server shows its sessions' statements, addresses and encryption, also those of this session.
    """
    cursor.execute("set role none")
    try:
        yield
    finally:
        if cursor.connection.info.transaction_status != TRANSACTION_STATUS_INERROR:
            cursor.execute("reset role")
            enter(cursor, LOADER)


def grant_shared_tables(cursor: Cursor) -> None:
    """Let every layer write to SHARED, as soon as migrations have created these."""
    writers = [role for layer in WRITERS if (role := name_role(layer))]
    if writers:
        tables = ", ".join(f"{ETL}.{table}" for table in SHARED)
        cursor.execute(f"grant insert, update, delete on {tables} to {', '.join(writers)}")
