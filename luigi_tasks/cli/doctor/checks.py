"""All checks of the doctor, in the order in which they run and are shown."""

from luigi_tasks.cli.doctor import encryption, environment, folders, limits, warehouse
from luigi_tasks.cli.doctor.check import Check

CHECKS = (
    Check("settings", environment.check_settings),
    Check("landing", folders.check_landing, needs=("settings",)),
    Check("checkpoints", folders.check_checkpoints, needs=("settings",)),
    Check("logs", folders.check_logs, needs=("settings",)),
    Check("export", folders.check_export, needs=("settings",)),
    Check("file modes", folders.check_file_modes, needs=("settings", "landing")),
    Check("encryption", encryption.check_encryption, needs=("settings",)),
    Check("free space", folders.check_free_space, needs=("settings", "landing", "checkpoints")),
    Check("memory", limits.check_memory, needs=("settings",)),
    Check("limits", limits.check_limits),
    Check("java", environment.check_java),
    Check("spark", environment.check_spark, needs=("settings", "java")),
    Check("postgresql", warehouse.check_server, needs=("settings",)),
    Check("tls", warehouse.check_tls, needs=("postgresql",)),
    Check("rights", warehouse.check_rights, needs=("postgresql",)),
    Check("roles", warehouse.check_roles, needs=("postgresql",)),
    Check("connections", warehouse.check_connections, needs=("postgresql",)),
    Check("server clock", warehouse.check_clock, needs=("postgresql",)),
    Check("audit chain", warehouse.check_audit_chain, needs=("postgresql",)),
    Check("clock", folders.check_dates, needs=("settings",)),
    Check("dbt", environment.check_dbt, needs=("settings",)),
    Check("luigid", environment.check_luigid, needs=("settings",)),
)
