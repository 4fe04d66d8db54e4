"""What a check is, and how checks are made one after the other."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from luigi_tasks.errors import PipelineError

OK, WARN, FAIL = "ok", "warn", "fail"


@dataclass(frozen=True)
class Result:
    """What a check came to: its level, and a sentence. A check that fails raises PipelineError instead."""

    level: str
    text: str


@dataclass(frozen=True)
class Check:
    """One line of what the doctor says. It is not made where one that it `needs` failed."""

    name: str
    look: Callable[[], Result]
    needs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Finding:
    """A check's name, its level (ok, warn or fail) and what there is to say."""

    check: str
    level: str
    text: str


def examine(checks: Iterable[Check]) -> list[Finding]:
    """A finding of every check, in their order. Whatever a check raises is a finding, too."""
    findings = []
    unknown: set[str] = set()
    for check in checks:
        missing = [name for name in check.needs if name in unknown]
        result = Result(WARN, f"not checked, as {missing[0]} is to be mended first") if missing else _look(check)
        if missing or result.level == FAIL:
            unknown.add(check.name)
        findings.append(Finding(check.name, result.level, " ".join(result.text.split())))
    return findings


def _look(check: Check) -> Result:
    try:
        return check.look()
    except PipelineError as error:
        return Result(FAIL, str(error))
    except Exception as error:
        return Result(FAIL, f"cannot be checked ({type(error).__name__}: {error})")
