"""What PostgreSQL's errors mean, what to do about each, and which of them pass by themselves."""

from dataclasses import dataclass

import psycopg2
from psycopg2.errorcodes import LOCK_NOT_AVAILABLE

from luigi_tasks.errors import PipelineError, TransientError

LONGEST_QUOTE = 300


@dataclass(frozen=True)
class Kind:
    """One kind of error: known by SQLSTATE, or by its text where there is none (a refused connection, a dbt log)."""

    meaning: str
    advice: str
    codes: tuple[str, ...]
    texts: tuple[str, ...]
    is_transient: bool = False


SERVER_GONE = Kind(
    "the server cannot be reached",
    "check that it runs, and PGHOST and PGPORT, or unset all PG* variables to use the embedded server",
    ("08", "57P01", "57P02"),
    (
        "onnection refused",
        "onnection reset",
        "onnection timed out",
        "timeout expired",
        "connection already closed",
        "server closed the connection",
        "terminating connection",
        "could not receive data from server",
        "could not send data to server",
        "SSL SYSCALL error",
        "Broken pipe",
        "No route to host",
        "Network is unreachable",
        "Temporary failure in name resolution",
        "Is the server running",
    ),
    is_transient=True,
)
LOCKED = Kind(
    "somebody's lock was in the way for longer than [warehouse] lock_timeout",
    "nothing was changed",
    (LOCK_NOT_AVAILABLE,),
    ("due to lock timeout",),
)
KINDS = (
    Kind(
        "the server refuses logins for now",
        "wait until it is up, then run again",
        ("57P03",),
        (
            "the database system is starting up",
            "the database system is shutting down",
            "the database system is in recovery mode",
            "the database system is not yet accepting connections",
        ),
        is_transient=True,
    ),
    Kind(
        "the server has no connection left",
        "end sessions that nobody needs, raise its max_connections, or lower [dbt] threads and [core] workers",
        ("53300",),
        ("too many clients", "too many connections", "remaining connection slots"),
        is_transient=True,
    ),
    Kind(
        "another transaction was in the way",
        "run again when nobody else writes to the warehouse",
        ("40001", "40P01"),
        ("could not serialize access", "deadlock detected"),
        is_transient=True,
    ),
    Kind(
        "a right is missing",
        "have it granted to PGUSER, then run again",
        ("42501",),
        ("permission denied",),
    ),
    Kind(
        "the login was refused",
        "check PGUSER and PGPASSWORD (or ~/.pgpass), and the server's pg_hba.conf",
        ("28",),
        (
            "authentication failed",
            "no password supplied",
            "pg_hba.conf",
            "is not permitted to log in",
            'role "',
        ),
    ),
    Kind(
        "there is no such database, or it takes no connections",
        "check PGDATABASE, or have it created",
        ("3D000",),
        ('database "',),
    ),
    Kind(
        "the warehouse is read-only",
        "connect to the primary server, or turn default_transaction_read_only off, then run again",
        ("25006",),
        ("in a read-only transaction",),
    ),
    Kind(
        "the server's disk is full",
        "nothing was changed; free space there, then run again",
        ("53100",),
        ("No space left on device",),
    ),
    LOCKED,
    SERVER_GONE,
)
"""The first that fits counts: many messages of libpq end in the one question whether the server is running."""
OTHER = Kind("the server refused", "nothing was changed", (), ())


def kind_of(error: psycopg2.Error) -> Kind | None:
    """Which kind an error is; None where it is a fault of the program's own SQL."""
    found = next((kind for kind in KINDS if (error.pgcode or " ").startswith(kind.codes)), None)
    if found is None and error.pgcode is None:
        found = kind_of_text(str(error))
    return found or (None if isinstance(error, psycopg2.ProgrammingError) else OTHER)


def kind_of_text(text: str) -> Kind | None:
    """Which kind an error is whose text is all there is; None where the text fits none."""
    return next((kind for kind in KINDS if any(part in text for part in kind.texts)), None)


def as_pipeline_error(before: str, kind: Kind, words: str, after: str = "") -> PipelineError:
    """The sentence for people, with the server's own words in brackets."""
    said = " ".join(words.split())[:LONGEST_QUOTE]
    error = TransientError if kind.is_transient else PipelineError
    return error(f"{before}{kind.meaning} ({said}); {kind.advice}{after}")
