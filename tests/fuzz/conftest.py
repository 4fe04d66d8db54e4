"""The same examples in every run, or as many new ones as FUZZ_EXAMPLES says."""

import os

from hypothesis import HealthCheck, settings

EXAMPLES = os.environ.get("FUZZ_EXAMPLES")

settings.register_profile(
    "fuzz",
    max_examples=int(EXAMPLES or 80),
    derandomize=not EXAMPLES,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
settings.load_profile("fuzz")
