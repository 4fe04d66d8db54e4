"""The results of a run: one JSON file with every measurement, and tables for the terminal."""

import configparser
import json
import os
import platform
import statistics
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.cases import CASES
from bench.measure import OTHER, Measurement
from bench.project import OUTSIDE, REPOSITORY
from luigi_tasks import paths
from luigi_tasks.spark.java import java_home

MEASURED_FILES = ("luigi_tasks", "spark_jobs", "dbt_project", "luigi.cfg", "bench")


@dataclass(frozen=True)
class Spread:
    """The middle and the ends of some numbers."""

    median: float
    least: float
    most: float
    count: int

    @staticmethod
    def of(numbers: Sequence[float]) -> "Spread":
        return Spread(statistics.median(numbers), min(numbers), max(numbers), len(numbers))


def record(case: str, number: int, measured: Measurement) -> dict[str, Any]:
    """A measurement as it stands in a results file."""
    return {"case": case, "round": number, **asdict(measured)}


def results(settings: Mapping[str, Any], data: Mapping[str, int], measurements: list[dict[str, Any]]) -> dict[str, Any]:
    """All that a results file says: when, of what, where, with which settings, and every measurement."""
    commit = _said("git", "rev-parse", "--short", "HEAD") or "unknown"
    changed = _said("git", "status", "--porcelain", "--", *MEASURED_FILES)
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": f"{commit}-changed" if changed else commit,
        "machine": _machine(),
        "settings": {**settings, **_of_luigi_cfg()},
        "data": dict(data),
        "measurements": measurements,
    }


def save(found: Mapping[str, Any], folder: Path) -> Path:
    """Write a results file; names sort by date."""
    folder.mkdir(parents=True, exist_ok=True)
    moment = found["date"].replace(":", "").replace("-", "")[:15]
    path = folder / f"{moment}-{found['commit']}-{found['settings']['users']}.json"
    path.write_text(as_json(found) + "\n", encoding="utf-8")
    return path


def as_json(found: Mapping[str, Any]) -> str:
    """A results file, a measurement a line."""
    head = json.dumps({**found, "measurements": []}, indent=1).removesuffix("[]\n}")
    lines = ",\n".join(f"  {json.dumps(each)}" for each in found["measurements"])
    return f"{head}[\n{lines}\n ]\n}}"


def spreads(found: Mapping[str, Any]) -> dict[str, Spread]:
    """The seconds of each case that was measured, in the order of the cases."""
    seconds = {name: [each["seconds"] for each in _of_case(found, name)] for name in CASES}
    return {name: Spread.of(numbers) for name, numbers in seconds.items() if numbers}


def ratio(name: str, found: Mapping[str, Spread]) -> float | None:
    """A case's median against that of the case it is held against; None where one of them was not measured."""
    against = CASES[name].against
    if against is None or name not in found or against not in found:
        return None
    return found[name].median / found[against].median


def as_text(found: Mapping[str, Any]) -> str:
    """The results for people: medians and ratios, stages, memory."""
    machine, data = found["machine"], found["data"]
    head = [
        f"{data['users']:,} users, {data['posts']:,} posts, {data['comments']:,} comments, "
        f"{data['bytes'] / 1e6:,.1f} MB",
        f"{machine['cores']} cores, {machine['memory_gb']} GB; Python {machine['python']}, {machine['java']}; "
        f"commit {found['commit']}",
    ]
    return "\n\n".join(["\n".join(head), _seconds(found), _stages(found), _memory(found)])


def _seconds(found: Mapping[str, Any]) -> str:
    known = spreads(found)
    rows = [["seconds", "", "median", "least", "most", "rounds", "ratio", "", "CPU", "peak MB"]]
    for name, spread in known.items():
        held = ratio(name, known)
        rows.append(
            [
                name,
                CASES[name].title,
                *(f"{number:.1f}" for number in (spread.median, spread.least, spread.most)),
                str(spread.count),
                f"{held:.2f}" if held is not None else "",
                f"x {CASES[name].against}" if held is not None else "",
                f"{_median(each['cpu_seconds'] for each in _of_case(found, name)):.1f}",
                f"{_median(each['peak_pss'] for each in _of_case(found, name)) / 1e6:,.0f}",
            ]
        )
    return _table(rows, left=(0, 1, 7))


def _stages(found: Mapping[str, Any]) -> str:
    """A table for the floor, whose stages are its own, and one for the pipeline."""
    tables = []
    for cases in (["floor"], [name for name in CASES if name != "floor"]):
        of_cases = {name: _of_case(found, name) for name in cases}
        kinds = list(dict.fromkeys(kind for each in of_cases.values() for one in each for kind in one["stages"]))
        kinds = [kind for kind in kinds if kind != OUTSIDE] + [OUTSIDE] * (OUTSIDE in kinds)
        rows = [["stages, s", *kinds]]
        for name, measurements in of_cases.items():
            if any(each["stages"] for each in measurements):
                seconds = ([each["stages"][kind] for each in measurements if kind in each["stages"]] for kind in kinds)
                rows.append([name, *(f"{statistics.median(numbers):.1f}" if numbers else "" for numbers in seconds)])
        if len(rows) > 1:
            tables.append(_table(rows, left=(0,)))
    return "\n\n".join(tables)


def _memory(found: Mapping[str, Any]) -> str:
    """For each role what all its processes had at once, pages they share counted once, and the largest's RSS."""
    known = [name for name in CASES if _of_case(found, name)]
    roles = {role: None for name in known for each in _of_case(found, name) for role in each["roles"] if role != OTHER}
    rows = [["peak MB (largest process)", *roles]]
    for name in known:
        row = [name]
        for role in roles:
            of_role = [each["roles"][role] for each in _of_case(found, name) if role in each["roles"]]
            both = (_median(each[key] for each in of_role) / 1e6 for key in ("peak_pss", "largest_rss") if of_role)
            row.append("{:,.0f} ({:,.0f})".format(*both) if of_role else "")
        rows.append(row)
    return _table(rows, left=(0,))


def _table(rows: Sequence[Sequence[str]], left: Sequence[int]) -> str:
    """Rows in aligned columns, the first row above a line; columns in `left` begin alike, all others end alike."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = enumerate(zip(row, widths, strict=True))
        lines.append("  ".join(f"{text:{'<' if number in left else '>'}{width}}" for number, (text, width) in cells))
    return "\n".join([lines[0].rstrip(), "-" * max(map(len, lines)), *(line.rstrip() for line in lines[1:])])


def _of_case(found: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    return [each for each in found["measurements"] if each["case"] == name]


def _median(numbers: Iterable[float]) -> float:
    return statistics.median(list(numbers))


def _machine() -> dict[str, Any]:
    java = java_home(paths.java_runtime()) / "bin" / "java"
    return {
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "python": platform.python_version(),
        "java": _said(str(java), "--version").partition("\n")[0],
    }


def _of_luigi_cfg() -> dict[str, Any]:
    """The settings of the pipeline that tune it."""
    found = configparser.ConfigParser(interpolation=None)
    found.read(REPOSITORY / "luigi.cfg", encoding="utf-8")
    return {"workers": found["core"]["workers"], "spark": dict(found["spark"]), "dbt": dict(found["dbt"])}


def _said(*command: str) -> str:
    """What a command says; nothing where it fails, as git does outside a repository."""
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False).stdout.strip()
