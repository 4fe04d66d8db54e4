"""Renders the page of all results: medians over time, one HTML file with SVG charts and no external resources."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import groupby
from pathlib import Path
from typing import Any

from bench.cases import CASES
from bench.report import Spread, compute_ratio, compute_spreads

WIDTH = 760
HEIGHT = 240
LEFT = 56
RIGHT = 16
TOP = 12
BOTTOM = 34
"""Pixels: size and margins of a chart; labels are in the left and the bottom margin."""

STYLE = """
:root { color-scheme: light dark; --ink: #1c2733; --paper: #fff; --faint: #8a94a0; --cold: #b3541e; --floor: #1f6f8b;
  --ratio: #6a4c93 }
@media (prefers-color-scheme: dark) {
  :root { --ink: #dde3ea; --paper: #14191f; --cold: #f0985f; --floor: #6bb9d3; --ratio: #b9a0dc }
}
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 60rem;
  margin: 2rem auto; padding: 0 1rem }
svg { width: 100%; height: auto; font-size: 11px; fill: var(--faint) }
svg polyline, svg line { fill: none; stroke-width: 2 }
svg .grid { stroke: var(--faint); stroke-width: 0.5; opacity: 0.5 }
.cold { stroke: var(--cold) } .floor { stroke: var(--floor) } .ratio { stroke: var(--ratio) }
circle.cold { fill: var(--cold) } circle.floor { fill: var(--floor) } circle.ratio { fill: var(--ratio) }
b.cold { color: var(--cold) } b.floor { color: var(--floor) } b.ratio { color: var(--ratio) }
.scroll { overflow-x: auto }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; white-space: nowrap }
th, td { padding: 0.2rem 0.7rem; text-align: right; border-bottom: 1px solid var(--faint) }
th:nth-child(-n+2), td:nth-child(-n+2) { text-align: left }
"""

Result = Mapping[str, Any]
"""The content of a results file; see bench.report.build_results."""


def read_results(folder: Path) -> list[dict[str, Any]]:
    """Return the content of all results files of a folder, oldest first."""
    results = [json.loads(path.read_text(encoding="utf-8")) for path in folder.glob("*.json")]
    return sorted(results, key=lambda result: result["date"])


def render_page(results: Iterable[Result]) -> str:
    """Return the page: a section per size of the data and number of cores, since only those seconds compare."""
    by_size = groupby(sorted(results, key=_get_size), _get_size)
    sections = [_render_section(size, list(of_size)) for size, of_size in by_size]
    body = "\n".join(sections) or "<p>No results yet: <code>make bench</code> writes the first.</p>"
    return (
        '<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>Benchmarks</title>\n<style>{STYLE}</style>\n<h1>Benchmarks</h1>\n"
        "<p>Medians of seconds. <b class=cold>cold</b>: the pipeline from an empty warehouse. "
        "<b class=floor>floor</b>: the same marts by the shortest way known. "
        "<b class=ratio>ratio</b>: cold divided by floor.</p>\n"
        f"{body}\n</html>\n"
    )


def _get_size(result: Result) -> tuple[int, int]:
    """Return a sort key for sections: users, largest first, and cores."""
    return -result["settings"]["users"], result["machine"]["cores"]


def _render_section(size: tuple[int, int], results: Sequence[Result]) -> str:
    users, cores = size
    spreads = [compute_spreads(result) for result in results]
    labels = [f"{result['date'][:16].replace('T', ' ')}, {result['commit']}" for result in results]
    seconds = {name: [spread.get(name) for spread in spreads] for name in ("cold", "floor")}
    ratios = [_make_point(compute_ratio("cold", spread)) for spread in spreads]
    return (
        f"<h2>{-users:,} users, {cores} cores</h2>\n{draw_chart(labels, seconds, ' s')}\n"
        f"{draw_chart(labels, {'ratio': ratios}, '')}\n{_render_table(labels, spreads)}"
    )


def _make_point(number: float | None) -> Spread | None:
    return None if number is None else Spread.from_numbers([number])


@dataclass(frozen=True)
class Scale:
    """Where values and results are in a chart, in pixels: values from zero at the bottom to `highest` at the top."""

    highest: float
    results: int

    def compute_x(self, number: int) -> float:
        """Return the position of a result, by its number."""
        return round(LEFT + (WIDTH - LEFT - RIGHT) / max(self.results - 1, 1) * number, 1)

    def compute_y(self, value: float) -> float:
        """Return the position of a value."""
        return round(TOP + (HEIGHT - TOP - BOTTOM) * (1 - value / self.highest), 1)


def draw_chart(labels: Sequence[str], lines: Mapping[str, Sequence[Spread | None]], unit: str) -> str:
    """Return an SVG chart of a line per name: medians, with their minimum and maximum, and tooltips.

    Each line has a spread, or None, per label.
    """
    highest = max((spread.most for line in lines.values() for spread in line if spread), default=0.0) or 1.0
    scale = Scale(highest, len(labels))
    parts = [_draw_grid(scale, labels, unit), *(_draw_line(scale, labels, name, lines[name], unit) for name in lines)]
    title = escape(" and ".join(lines))
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{title}">{"".join(parts)}</svg>'


def _draw_grid(scale: Scale, labels: Sequence[str], unit: str) -> str:
    """Return horizontal lines with their values, and the dates of the first and the last result."""
    parts = []
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        value = scale.highest * share
        y = scale.compute_y(value)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y + 4}" text-anchor="end">{value:.1f}{unit}</text>')
    for number in sorted({0, len(labels) - 1}):
        anchor = "start" if number == 0 else "end"
        x = scale.compute_x(number)
        parts.append(f'<text x="{x}" y="{HEIGHT - 10}" text-anchor="{anchor}">{escape(labels[number][:10])}</text>')
    return "".join(parts)


def _draw_line(scale: Scale, labels: Sequence[str], name: str, line: Sequence[Spread | None], unit: str) -> str:
    """Return a line through the medians, and for each a point and a bar from minimum to maximum."""
    points = [(number, spread) for number, spread in enumerate(line) if spread]
    joined = " ".join(f"{scale.compute_x(number)},{scale.compute_y(spread.median)}" for number, spread in points)
    parts = [f'<polyline class="{name}" points="{joined}"/>']
    for number, spread in points:
        x, y = scale.compute_x(number), scale.compute_y(spread.median)
        bottom, top = scale.compute_y(spread.least), scale.compute_y(spread.most)
        span = f"{spread.least:.2f} to {spread.most:.2f}"
        tooltip = escape(f"{name} {spread.median:.2f}{unit} ({span}): {labels[number]}")
        parts.append(
            f'<line class="{name}" x1="{x}" x2="{x}" y1="{bottom}" y2="{top}"/>'
            f'<circle class="{name}" cx="{x}" cy="{y}" r="3.5"><title>{tooltip}</title></circle>'
        )
    return "".join(parts)


def _render_table(labels: Sequence[str], spreads: Sequence[Mapping[str, Spread]]) -> str:
    """Return a table with a row per results file, latest first: the median of each case that any of them measured."""
    names = [name for name in CASES if any(name in measured for measured in spreads)]
    head = "".join(f'<th title="{escape(CASES[name].title)}">{escape(name)}</th>' for name in names)
    rows = []
    for label, measured in reversed(list(zip(labels, spreads, strict=True))):
        ratio = compute_ratio("cold", measured)
        cells = "".join(f"<td>{measured[name].median:.1f}</td>" if name in measured else "<td></td>" for name in names)
        date, _, commit = label.partition(", ")
        ratio_cell = f"{ratio:.2f}" if ratio is not None else ""
        rows.append(f"<tr><td>{escape(date)}</td><td>{escape(commit)}</td><td>{ratio_cell}</td>{cells}</tr>")
    titles = f"<tr><th>date</th><th>commit</th><th>cold / floor</th>{head}</tr>"
    return f'<div class="scroll"><table>\n{titles}\n' + "\n".join(rows) + "\n</table></div>"
