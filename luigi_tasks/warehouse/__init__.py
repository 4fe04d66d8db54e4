"""The warehouse: connections, transactions, retries and migrations.

It is the PostgreSQL server that the usual PG* variables name, or the embedded one where they name none.
"""

from luigi_tasks.warehouse.connection import (
    close,
    connect,
    explain_error,
    find_embedded_home,
    get_libpq_variables,
    get_reader,
    hold_embedded,
    is_connected,
    is_external,
    reading,
    start_embedded,
    transaction,
)
from luigi_tasks.warehouse.retry import retry_transaction
from luigi_tasks.warehouse.session import open_session

__all__ = [
    "close",
    "connect",
    "explain_error",
    "find_embedded_home",
    "get_libpq_variables",
    "get_reader",
    "hold_embedded",
    "is_connected",
    "is_external",
    "open_session",
    "reading",
    "retry_transaction",
    "start_embedded",
    "transaction",
]
