"""The dashboard's token: who has it may change what luigid shows, as runs do.

It is SOCIALMART_DASHBOARD_TOKEN where that is set, as for a dashboard on another machine; else the dashboard makes one
and keeps it in a file beside its logs, which the runs of the project find there.
"""

import os
import secrets
from pathlib import Path

from luigi_tasks import atomic_files, paths
from luigi_tasks.errors import PipelineError

VARIABLE = "SOCIALMART_DASHBOARD_TOKEN"


def get_token_file() -> Path:
    """Where the dashboard of this project keeps its token."""
    return paths.service_logs("dashboard") / "token"


def read_token(is_here: bool) -> str:
    """The token, "" where there is none. That of the file is not for a dashboard on another machine."""
    if VARIABLE in os.environ or not is_here:
        return os.environ.get(VARIABLE, "")
    try:
        return get_token_file().read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""


def make_token() -> str:
    """The token, made where there is none yet. Raises PipelineError where it cannot be written."""
    if token := read_token(is_here=True):
        return token
    token, path = secrets.token_hex(24), get_token_file()
    try:
        atomic_files.write_file(path, f"{token}\n")
    except OSError as error:
        raise PipelineError(
            f"{path}: cannot be written ({error.strerror}); make its folder writable, or set {VARIABLE}"
        ) from error
    return token
