"""PostgreSQL's errors by kind: what each means, what to do about it, and whether it passes by itself."""

import re
from dataclasses import dataclass

import psycopg2
from psycopg2.errorcodes import LOCK_NOT_AVAILABLE

from luigi_tasks.errors import PipelineError, TransientError

STATE = re.compile(r"\(SQLSTATE (\w{5})\)")
LONGEST_QUOTE = 300
"""Characters of the server's own message in ours: enough for its first sentence and detail."""


@dataclass(frozen=True)
class Kind:
    """A kind of error, recognised by SQLSTATE, or by its text where there is none (a refused connection, a dbt log).

    `codes` are starts of SQLSTATEs, `texts` parts of messages. After an error that `is_transient`, a retry may succeed.
    """

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
    "another session held a lock for longer than [warehouse] lock_timeout",
    "nothing was changed",
    (LOCK_NOT_AVAILABLE,),
    ("due to lock timeout",),
)
FORBIDDEN = Kind(
    "a privilege is missing",
    "grant it to PGUSER, then run again",
    ("42501",),
    ("permission denied",),
)
NO_CONNECT = Kind(
    "the user may not connect to the database",
    "have its owner run: grant connect on database PGDATABASE to PGUSER; then run again",
    (),
    ("permission denied for database",),
)
"""Of a login, which has no SQLSTATE; later the same text means that a schema may not be created."""
HIDDEN = Kind(
    "a row-level security policy would hide rows from the pipeline",
    "nothing was changed; let PGUSER own the table, or grant it bypassrls, then run again",
    (),
    ("row-level security policy",),
)
TLS = (
    Kind(
        "the server's certificate is not to be trusted: another authority (CA) signed it, or it has expired",
        "nothing was sent; set PGSSLROOTCERT to the certificate of the server's CA, or see whether the server's is "
        "still valid: openssl s_client -starttls postgres -connect HOST:PORT",
        (),
        ("certificate verify failed",),
    ),
    Kind(
        "the server's certificate is for another host",
        "nothing was sent; set PGHOST to a name in the certificate (PGHOSTADDR may lead to the address)",
        (),
        ("does not match host name",),
    ),
    Kind(
        "the server offers no TLS",
        "nothing was sent; have ssl turned on there, with a certificate",
        (),
        ("server does not support SSL", "SSL not in use"),
    ),
    Kind(
        "the server does not prove by the login that it is the one with the certificate (channel binding)",
        "the password was not sent; have its pg_hba.conf ask for scram-sha-256, connect past a pooler that takes the "
        "login in its place, or set PGCHANNELBINDING=prefer",
        (),
        ("channel binding",),
    ),
    Kind(
        "the server's certificate has a key with which there is no channel binding, such as one of Ed25519",
        "have a certificate with a key of P-256 or RSA made for it, or set PGCHANNELBINDING=disable",
        (),
        ("could not find digest for NID",),
    ),
    Kind(
        "a file that TLS needs cannot be used",
        "check PGSSLROOTCERT, PGSSLCERT and PGSSLKEY, and the files' owner and mode",
        (),
        ("root certificate file", "private key file", "could not read certificate file"),
    ),
    Kind(
        "a setting of TLS has a value that it cannot have",
        "correct the variable of libpq (PGSSL…, PGCHANNELBINDING), or the service file",
        (),
        ("invalid ssl", 'invalid "ssl_', "invalid channel_binding", "weak sslmode"),
    ),
    Kind(
        "the encrypted connection broke off",
        "check that the server runs, and what is on the way to it",
        (),
        ("unexpected eof while reading", "bad record mac", "SSL connection has been closed"),
        is_transient=True,
    ),
    Kind(
        "this machine and the server do not agree on how to encrypt",
        "nothing was sent; check PGSSLMINPROTOCOLVERSION, and ssl_min_protocol_version of the server",
        (),
        ("SSL error",),
    ),
)
KINDS = (
    HIDDEN,
    *TLS,
    Kind(
        "a statement was cancelled: by somebody, or because it ran longer than [warehouse] statement_timeout",
        "nothing was changed; find out what slows the server, or raise the setting, then run again",
        ("57014",),
        ("due to statement timeout", "due to user request"),
    ),
    Kind(
        "the server does not accept connections at the moment",
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
        "the server has no free connection",
        "close sessions that are not needed, raise its max_connections, or lower [dbt] threads and [core] workers",
        ("53300",),
        ("too many clients", "too many connections", "remaining connection slots"),
        is_transient=True,
    ),
    Kind(
        "another transaction got in the way",
        "run again when no other program writes to the warehouse",
        ("40001", "40P01"),
        ("could not serialize access", "deadlock detected"),
        is_transient=True,
    ),
    NO_CONNECT,
    FORBIDDEN,
    Kind(
        "the login was refused",
        "check PGUSER and PGPASSWORD (or ~/.pgpass), and the server's pg_hba.conf",
        ("28",),
        (
            "authentication failed",
            "no password supplied",
            'host "[local]"',
            "SSL encryption",
            "GSS encryption",
            "is not permitted to log in",
            'role "',
        ),
    ),
    Kind(
        "the server's pg_hba.conf does not let this login in without TLS",
        "set PGSSLMODE=verify-full, and PGSSLROOTCERT to the certificate of the server's CA",
        (),
        ("no encryption",),
    ),
    Kind(
        "there is no such database, or it accepts no connections",
        "check PGDATABASE, or create the database",
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
"""In the order in which texts are compared: SERVER_GONE last, as many texts end in `Is the server running …?`."""
OTHER = Kind(
    "the server refused",
    "nothing was changed; the server's log may say more: correct what it names, then run again",
    (),
    (),
)


def classify_error(error: psycopg2.Error) -> Kind | None:
    """The kind of an error; None where it is a fault of this program's own SQL."""
    found = _classify_state(error.pgcode, str(error)) if error.pgcode else classify_text(str(error))
    return found or (None if isinstance(error, psycopg2.ProgrammingError) else OTHER)


def classify_text(text: str) -> Kind | None:
    """The kind of an error by its text alone, in which describe_error may have left a SQLSTATE; None for none."""
    states = (_classify_state(state, text) for state in STATE.findall(text))
    by_text = next((kind for kind in KINDS if any(part in text for part in kind.texts)), None)
    return next((kind for kind in states if kind), by_text)


def _classify_state(state: str, text: str) -> Kind | None:
    if any(part in text for part in HIDDEN.texts):  # which has the SQLSTATE of a missing privilege
        return HIDDEN
    return next((kind for kind in KINDS if state.startswith(kind.codes)), None)


def describe_error(error: psycopg2.Error) -> str:
    """The server's message with its SQLSTATE, without detail and context: these quote rows."""
    return f"{quote_message(error)} (SQLSTATE {error.pgcode})" if error.pgcode else quote_message(error)


def quote_message(error: psycopg2.Error) -> str:
    """The server's message without detail and context, which quote rows."""
    text = str(error)
    for part in (error.diag.message_detail, error.diag.context):
        if part:
            text = text.replace(part, "not shown")
    return text


def make_pipeline_error(before: str, kind: Kind, server_message: str, after: str = "") -> PipelineError:
    """The error to raise: what it means, the server's own message in brackets, and what to do."""
    quote = " ".join(server_message.split())[:LONGEST_QUOTE]
    error = TransientError if kind.is_transient else PipelineError
    return error(f"{before}{kind.meaning} ({quote}); {kind.advice}{after}")
