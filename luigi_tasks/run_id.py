"""The name of a run: given when it begins, inherited by its forked workers and started children."""

import os
from datetime import UTC, datetime

VARIABLE = "SOCIALMART_RUN_ID"
"""Environment variable: forked and started children belong to their parent's run."""


def current() -> str:
    """This run's name: the time at which it began (UTC) and its process id."""
    return os.environ.setdefault(VARIABLE, f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{os.getpid()}")
