"""The warehouse: the PostgreSQL that the usual PG* variables name, or the embedded one where they name none."""

from luigi_tasks.warehouse.connection import (
    application_name,
    close,
    connect,
    embedded,
    embedded_home,
    find_lock_holders,
    hold,
    is_named,
    reader,
    reading,
    session_options,
    transaction,
    variables,
)
from luigi_tasks.warehouse.retry import retried

__all__ = [
    "application_name",
    "close",
    "connect",
    "embedded",
    "embedded_home",
    "find_lock_holders",
    "hold",
    "is_named",
    "reader",
    "reading",
    "retried",
    "session_options",
    "transaction",
    "variables",
]
