"""The id of a run, shared by all its processes through an environment variable."""

import os
import re
from datetime import UTC, datetime

RUN_TIME = "%Y%m%dT%H%M%S"
"""How a run's id begins: the time of its start (UTC). So ids sort in time."""
DATED_RUN = re.compile(r"\d{8}T\d{6}")
"""The same, to be found in an id."""
VARIABLE = "SOCIALMART_RUN_ID"
"""Environment variable with the run's id; forked workers and started children inherit it."""


def get_run_id() -> str:
    """Return this run's id, its start time (UTC) and process id; the first call in a run creates it."""
    return os.environ.setdefault(VARIABLE, f"{datetime.now(UTC):{RUN_TIME}}-{os.getpid()}")
