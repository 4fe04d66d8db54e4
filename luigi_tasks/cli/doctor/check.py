"""A check of the doctor, its result, and how checks run one after the other."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from luigi_tasks.errors import PipelineError

OK, WARN, FAIL = "ok", "warn", "fail"
"""Levels: nothing to do; a run works, but something should be corrected; a run cannot work."""


@dataclass(frozen=True)
class Result:
    """The result of a check: its level, and a sentence. A check that fails raises PipelineError instead."""

    level: str
    text: str


@dataclass(frozen=True)
class Check:
    """A check of the doctor. It is skipped if a check that it `needs`, given by name, failed or was skipped itself."""

    name: str
    run: Callable[[], Result]
    needs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Finding:
    """What the doctor says of one check: its name, its level (ok, warn or fail) and a sentence."""

    check: str
    level: str
    text: str


def run_checks(checks: Iterable[Check]) -> list[Finding]:
    """Run checks in their order. Returns a finding for each; any exception that a check raises becomes one, too."""
    findings = []
    unknown: set[str] = set()
    for check in checks:
        missing = [name for name in check.needs if name in unknown]
        result = Result(WARN, f"not checked: fix {missing[0]} first") if missing else _run_check(check)
        if missing or result.level == FAIL:
            unknown.add(check.name)
        findings.append(Finding(check.name, result.level, " ".join(result.text.split())))
    return findings


def _run_check(check: Check) -> Result:
    try:
        return check.run()
    except PipelineError as error:
        return Result(FAIL, str(error))
    except Exception as error:
        return Result(FAIL, f"cannot be checked ({type(error).__name__}: {error})")
