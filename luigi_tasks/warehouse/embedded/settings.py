"""The settings of the embedded server: for loading on a small machine that it shares with Spark."""

import contextlib
import pwd

from luigi_tasks.memory import measure_memory
from luigi_tasks.warehouse.embedded.programs import Account

ROOT_LOGINS = """\
# Rewritten at every start. The server runs as another account than root, which other programs may run as, too.
local all all peer map=socialmart
"""
"""pg_hba.conf of a server that root has started."""


def format_login_names(account: Account) -> str:
    """The content of pg_ident.conf: root may be any user of the database, and so may the account if it is a person's.

    User nobody stands for programs of all kinds.
    """
    names = ["root"]
    with contextlib.suppress(KeyError):
        owner = pwd.getpwuid(account.uid).pw_name
        names += [owner] if owner != "nobody" else []
    return "".join(f'socialmart "{name}" all\n' for name in names)


def format_settings() -> str:
    """The content of postgresql.conf, by the memory of this machine. fsync and full_page_writes stay on."""
    megabytes = measure_memory() >> 20
    return f"""\
# Rewritten at every start. ALTER SYSTEM overrides what is here.
unix_socket_permissions = 0700           # only the server's account and root
max_connections = 50                     # loaders, dbt threads and a few psql
shared_buffers = {min(max(megabytes // 16, 64), 256)}MB  # the page cache does the rest, and gives way
effective_cache_size = {max(megabytes // 3, 128)}MB  # what the page cache holds besides
work_mem = {min(max(megabytes // 128, 8), 64)}MB  # sorts and hashes of the marts stay in memory
maintenance_work_mem = {min(max(megabytes // 64, 32), 128)}MB  # several indexes are built at a time
max_wal_size = 2GB                       # one load, not many, between checkpoints
checkpoint_timeout = 30min               # fewer full page images; costs a longer recovery
checkpoint_completion_target = 0.9       # spread the writes
wal_compression = off                    # pglz, all that the wheel has, costs more than what it saves
wal_level = minimal                      # no replica: copy into a table just made skips the WAL
max_wal_senders = 0                      # required by wal_level = minimal
dynamic_shared_memory_type = sysv        # /dev/shm of a container (64 MB) is too small for parallel hashes
hash_mem_multiplier = 1.0                # work_mem is what a hash gets, too
jit = off                                # compiling costs more than these queries, and the wheel has no LLVM
random_page_cost = 1.1                   # solid state disks
timezone = 'UTC'                         # the same days on every machine
log_timezone = 'UTC'
datestyle = 'iso, ymd'
log_checkpoints = off                    # keep server.log short
log_line_prefix = '%m [%p] '
log_min_error_statement = panic          # the statement of an error may hold values of rows
log_error_verbosity = terse              # and so may its DETAIL and CONTEXT
"""
