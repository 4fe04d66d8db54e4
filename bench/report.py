"""The results of a benchmark: a JSON file with every measurement, and tables for the terminal."""

import configparser
import json
import os
import platform
import statistics
import subprocess
from collections.abc import Mapping, Sequence
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
"""Files and folders whose uncommitted changes mark the results as those of a changed commit."""


@dataclass(frozen=True)
class Spread:
    """Median, minimum and maximum of some numbers, and how many there are."""

    median: float
    least: float
    most: float
    count: int

    @staticmethod
    def from_numbers(numbers: Sequence[float]) -> "Spread":
        """Return the spread of at least one number."""
        return Spread(statistics.median(numbers), min(numbers), max(numbers), len(numbers))


def describe_measurement(case: str, number: int, measured: Measurement) -> dict[str, Any]:
    """Return a measurement as it is written to a results file."""
    return {"case": case, "round": number, **asdict(measured)}


def build_results(
    settings: Mapping[str, Any], data: Mapping[str, int], measurements: list[dict[str, Any]]
) -> dict[str, Any]:
    """Return the content of a results file: date, commit, machine, settings, data and every measurement."""
    commit = _read_output("git", "rev-parse", "--short", "HEAD") or "unknown"
    changed = _read_output("git", "status", "--porcelain", "--", *MEASURED_FILES)
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": f"{commit}-changed" if changed else commit,
        "machine": _describe_machine(),
        "settings": {**settings, **_read_settings()},
        "data": dict(data),
        "measurements": measurements,
    }


def save_results(results: Mapping[str, Any], folder: Path) -> Path:
    """Write a results file and return its path; names sort by date."""
    folder.mkdir(parents=True, exist_ok=True)
    moment = results["date"].replace(":", "").replace("-", "")[:15]
    path = folder / f"{moment}-{results['commit']}-{results['settings']['users']}.json"
    path.write_text(format_json(results) + "\n", encoding="utf-8")
    return path


def format_json(results: Mapping[str, Any]) -> str:
    """Return the text of a results file, one measurement per line."""
    head = json.dumps({**results, "measurements": []}, indent=1).removesuffix("[]\n}")
    lines = ",\n".join(f"  {json.dumps(each)}" for each in results["measurements"])
    return f"{head}[\n{lines}\n ]\n}}"


def compute_spreads(results: Mapping[str, Any]) -> dict[str, Spread]:
    """Return the spread of the seconds of each case that was measured, in the order of the cases."""
    seconds = {name: [measurement["seconds"] for measurement in _select_case(results, name)] for name in CASES}
    return {name: Spread.from_numbers(numbers) for name, numbers in seconds.items() if numbers}


def compute_ratio(name: str, spreads: Mapping[str, Spread]) -> float | None:
    """Return a case's median divided by that of the case it is compared with; None if one of them was not measured."""
    against = CASES[name].against
    if against is None or name not in spreads or against not in spreads:
        return None
    return spreads[name].median / spreads[against].median


def format_tables(results: Mapping[str, Any]) -> str:
    """Return the results for people: tables of medians and ratios, of stages and of memory."""
    machine, data = results["machine"], results["data"]
    head = [
        f"{data['users']:,} users, {data['posts']:,} posts, {data['comments']:,} comments, "
        f"{data['bytes'] / 1e6:,.1f} MB",
        f"{machine['cores']} cores, {machine['memory_gb']} GB; Python {machine['python']}, {machine['java']}; "
        f"commit {results['commit']}",
    ]
    return "\n\n".join(["\n".join(head), _format_seconds(results), _format_stages(results), _format_memory(results)])


def _format_seconds(results: Mapping[str, Any]) -> str:
    spreads = compute_spreads(results)
    rows = [["seconds", "", "median", "least", "most", "rounds", "ratio", "", "CPU", "peak MB"]]
    for name, spread in spreads.items():
        ratio = compute_ratio(name, spreads)
        measurements = _select_case(results, name)
        rows.append(
            [
                name,
                CASES[name].title,
                *(f"{number:.1f}" for number in (spread.median, spread.least, spread.most)),
                str(spread.count),
                f"{ratio:.2f}" if ratio is not None else "",
                f"x {CASES[name].against}" if ratio is not None else "",
                f"{statistics.median(each['cpu_seconds'] for each in measurements):.1f}",
                f"{statistics.median(each['peak_pss'] for each in measurements) / 1e6:,.0f}",
            ]
        )
    return _format_table(rows, left=(0, 1, 7))


def _format_stages(results: Mapping[str, Any]) -> str:
    """Return a table of the stages of the floor, and one of those of the pipeline."""
    pipeline = [name for name in CASES if name != "floor"]
    tables = [_format_stages_of(["floor"], results), _format_stages_of(pipeline, results)]
    return "\n\n".join(table for table in tables if table)


def _format_stages_of(cases: Sequence[str], results: Mapping[str, Any]) -> str:
    """Return a table of the median seconds of each stage of some cases; empty if none of them has stages."""
    with_stages = {
        name: [measurement["stages"] for measurement in _select_case(results, name)]
        for name in cases
        if any(measurement["stages"] for measurement in _select_case(results, name))
    }
    names = list(dict.fromkeys(stage for measured in with_stages.values() for stages in measured for stage in stages))
    names.sort(key=lambda stage: stage == OUTSIDE)  # last
    rows = [["stages, s", *names]]
    for case, measured in with_stages.items():
        seconds = [[stages[stage] for stages in measured if stage in stages] for stage in names]
        rows.append([case, *(f"{statistics.median(numbers):.1f}" if numbers else "" for numbers in seconds)])
    return _format_table(rows, left=(0,)) if with_stages else ""


def _format_memory(results: Mapping[str, Any]) -> str:
    """Return the peak PSS of all processes of each role together, and the RSS of the largest."""
    measured = {name: _select_case(results, name) for name in CASES}
    all_roles = [role for measurements in measured.values() for each in measurements for role in each["roles"]]
    roles = [role for role in dict.fromkeys(all_roles) if role != OTHER]
    rows = [["peak MB (largest process)", *roles]]
    for name, measurements in measured.items():
        if measurements:
            rows.append([name, *(_format_role(measurements, role) for role in roles)])
    return _format_table(rows, left=(0,))


def _format_role(measurements: Sequence[Mapping[str, Any]], role: str) -> str:
    """Return the median memory of a role, in MB; empty if no measurement has it."""
    of_role = [measurement["roles"][role] for measurement in measurements if role in measurement["roles"]]
    if not of_role:
        return ""
    together = statistics.median(memory["peak_pss"] for memory in of_role)
    largest = statistics.median(memory["largest_rss"] for memory in of_role)
    return f"{together / 1e6:,.0f} ({largest / 1e6:,.0f})"


def _format_table(rows: Sequence[Sequence[str]], left: Sequence[int]) -> str:
    """Return rows in columns, the first row above a line; columns in `left` are aligned left, all others right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = enumerate(zip(row, widths, strict=True))
        lines.append("  ".join(f"{text:{'<' if number in left else '>'}{width}}" for number, (text, width) in cells))
    return "\n".join([lines[0].rstrip(), "-" * max(map(len, lines)), *(line.rstrip() for line in lines[1:])])


def _select_case(results: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    return [each for each in results["measurements"] if each["case"] == name]


def _describe_machine() -> dict[str, Any]:
    java = java_home(paths.java_runtime()) / "bin" / "java"
    return {
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "python": platform.python_version(),
        "java": _read_output(str(java), "--version").partition("\n")[0],
    }


def _read_settings() -> dict[str, Any]:
    """Return the pipeline's settings for performance."""
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(REPOSITORY / "luigi.cfg", encoding="utf-8")
    return {"workers": parser["core"]["workers"], "spark": dict(parser["spark"]), "dbt": dict(parser["dbt"])}


def _read_output(*command: str) -> str:
    """Return the output of a command; empty if it fails, as git does outside a repository."""
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False).stdout.strip()
