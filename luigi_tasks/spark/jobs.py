"""The jobs of Extract and Clean, run in the Spark session of the run."""

import dataclasses
import json
from collections.abc import Callable
from typing import Any

from luigi_tasks.spark import session
from spark_jobs.messages import CleanRequest, CleanResult, ExtractRequest, ExtractResult
from spark_jobs.messages.codec import from_value

Tell = Callable[..., None]


def warm_up() -> None:
    session.start()


def run_extract(request: ExtractRequest, tell: Tell) -> ExtractResult:
    return from_value(ExtractResult, session.ask("extract", _plain(request), tell))


def run_clean(request: CleanRequest, tell: Tell) -> CleanResult:
    return from_value(CleanResult, session.ask("clean", _plain(request), tell))


def _plain(request: Any) -> dict[str, Any]:
    return json.loads(json.dumps(dataclasses.asdict(request)))
