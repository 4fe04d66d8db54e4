"""The warehouse: connections, transactions, retries and migrations.

It is the PostgreSQL server that the usual PG* variables name, or the embedded one where they name none.
"""

from luigi_tasks.warehouse.connection import (
    application_name,
    close,
    connect,
    describe_lock_holders,
    find_embedded_home,
    get_libpq_variables,
    get_reader,
    hold_embedded,
    is_external,
    reading,
    session_options,
    start_embedded,
    transaction,
)
from luigi_tasks.warehouse.retry import retry_transaction

__all__ = [
    "application_name",
    "close",
    "connect",
    "describe_lock_holders",
    "find_embedded_home",
    "get_libpq_variables",
    "get_reader",
    "hold_embedded",
    "is_external",
    "reading",
    "retry_transaction",
    "session_options",
    "start_embedded",
    "transaction",
]
