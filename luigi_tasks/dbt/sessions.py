"""dbt with the sessions of the pipeline: python -m luigi_tasks.dbt.sessions ARGUMENTS is the command dbt."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg2
from dbt.adapters.contracts.connection import Connection
from dbt.adapters.postgres import PostgresAdapter, PostgresConnectionManager
from dbt.adapters.postgres.connections import logger
from psycopg2.extensions import connection as Session

from luigi_tasks import warehouse
from luigi_tasks.errors import PipelineError
from luigi_tasks.warehouse import layers, server_errors

ATTEMPTS = 2
"""Of opening a session, within a second; after that the stage retries."""


def _open_session() -> Session:
    """Open a session. An error that does not pass by itself is raised as one that dbt does not retry."""
    try:
        return warehouse.open_session(layers.TRANSFORMER)
    except psycopg2.OperationalError as error:
        kind = server_errors.classify_error(error)
        if kind is None or kind.is_transient:
            raise
        raise PipelineError(str(error)) from error


class SessionManager(PostgresConnectionManager):
    """Opens dbt's sessions as all others are opened, wherever the profile leads, and keeps rows out of its messages."""

    @classmethod
    def open(cls, connection: Connection) -> Connection:
        """Open a session for a thread of dbt."""
        if connection.state == "open":
            return connection
        return cls.retry_connection(
            connection,
            connect=_open_session,
            logger=logger,
            retryable_exceptions=[psycopg2.OperationalError],
            retry_limit=ATTEMPTS,
            retry_timeout=1,
        )

    @contextmanager
    def exception_handler(self, sql: str) -> Iterator[None]:
        """Translate errors of psycopg2 to dbt's."""
        with super().exception_handler(sql):
            try:
                yield
            except psycopg2.DatabaseError as error:
                raise psycopg2.DatabaseError(server_errors.describe_error(error)) from None


def install() -> None:
    """Have dbt open its sessions by SessionManager in this process."""
    PostgresAdapter.ConnectionManager = SessionManager


def main() -> Any:
    """Run dbt's command line."""
    from dbt.cli.main import cli

    install()
    sys.exit(cli())


if __name__ == "__main__":
    main()
