"""The page: medians of all results over time, as one HTML file with drawings of its own and nothing from elsewhere."""

import json
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from itertools import groupby
from pathlib import Path
from typing import Any

from bench.cases import CASES
from bench.report import Spread, ratio, spreads

WIDTH, HEIGHT = 760, 240
LEFT, RIGHT, TOP, BOTTOM = 56, 16, 12, 34

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


def read(folder: Path) -> list[dict[str, Any]]:
    """All results files of a folder, the oldest first."""
    found = [json.loads(path.read_text(encoding="utf-8")) for path in folder.glob("*.json")]
    return sorted(found, key=lambda each: each["date"])


def as_html(found: Iterable[Result]) -> str:
    """The page: a section for each size of the data and number of cores, as seconds compare only within one."""
    sections = [_section(size, list(of_size)) for size, of_size in groupby(sorted(found, key=_size), _size)]
    body = "\n".join(sections) or "<p>No results yet: <code>make bench</code> leaves the first.</p>"
    return (
        '<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>Benchmarks</title>\n<style>{STYLE}</style>\n<h1>Benchmarks</h1>\n"
        "<p>Medians of seconds. <b class=cold>cold</b>: the pipeline from an empty warehouse. "
        "<b class=floor>floor</b>: the same marts by the shortest way known. "
        "<b class=ratio>ratio</b>: cold by floor.</p>\n"
        f"{body}\n</html>\n"
    )


def _size(result: Result) -> tuple[int, int]:
    return -result["settings"]["users"], result["machine"]["cores"]


def _section(size: tuple[int, int], found: Sequence[Result]) -> str:
    users, cores = size
    medians = [spreads(each) for each in found]
    labels = [f"{each['date'][:16].replace('T', ' ')}, {each['commit']}" for each in found]
    seconds = {name: [each.get(name) for each in medians] for name in ("cold", "floor")}
    ratios = [_point(ratio("cold", each)) for each in medians]
    return (
        f"<h2>{-users:,} users, {cores} cores</h2>\n{chart(labels, seconds, ' s')}\n"
        f"{chart(labels, {'ratio': ratios}, '')}\n{_table(labels, medians)}"
    )


def _point(number: float | None) -> Spread | None:
    return None if number is None else Spread.of([number])


def chart(labels: Sequence[str], lines: Mapping[str, Sequence[Spread | None]], unit: str) -> str:
    """A drawing from zero up: each line's medians, joined, with their least and most; hovering says what they are."""
    highest = max((spread.most for line in lines.values() for spread in line if spread), default=0.0) or 1.0
    step = (WIDTH - LEFT - RIGHT) / max(len(labels) - 1, 1)

    def x(place: int) -> float:
        return round(LEFT + step * place, 1)

    def y(value: float) -> float:
        return round(TOP + (HEIGHT - TOP - BOTTOM) * (1 - value / highest), 1)

    parts = []
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        value = highest * share
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(value)}" y2="{y(value)}"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y(value) + 4}" text-anchor="end">{value:.1f}{unit}</text>')
    for place in sorted({0, len(labels) - 1}):
        anchor = "start" if place == 0 else "end"
        parts.append(
            f'<text x="{x(place)}" y="{HEIGHT - 10}" text-anchor="{anchor}">{escape(labels[place][:10])}</text>'
        )
    for name, line in lines.items():
        points = [(place, spread) for place, spread in enumerate(line) if spread]
        joined = " ".join(f"{x(place)},{y(spread.median)}" for place, spread in points)
        parts.append(f'<polyline class="{name}" points="{joined}"/>')
        for place, spread in points:
            said = escape(
                f"{name} {spread.median:.2f}{unit} ({spread.least:.2f} to {spread.most:.2f}): {labels[place]}"
            )
            parts.append(
                f'<line class="{name}" x1="{x(place)}" x2="{x(place)}" y1="{y(spread.least)}" y2="{y(spread.most)}"/>'
                f'<circle class="{name}" cx="{x(place)}" cy="{y(spread.median)}" r="3.5"><title>{said}</title></circle>'
            )
    title = escape(" and ".join(lines))
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{title}">{"".join(parts)}</svg>'


def _table(labels: Sequence[str], medians: Sequence[Mapping[str, Spread]]) -> str:
    """A row a results file, the latest first: the median of each case that any of them measured."""
    names = [name for name in CASES if any(name in each for each in medians)]
    head = "".join(f'<th title="{escape(CASES[name].title)}">{escape(name)}</th>' for name in names)
    rows = []
    for label, each in reversed(list(zip(labels, medians, strict=True))):
        held = ratio("cold", each)
        cells = "".join(f"<td>{each[name].median:.1f}</td>" if name in each else "<td></td>" for name in names)
        date, _, commit = label.partition(", ")
        shown = f"{held:.2f}" if held is not None else ""
        rows.append(f"<tr><td>{escape(date)}</td><td>{escape(commit)}</td><td>{shown}</td>{cells}</tr>")
    titles = f"<tr><th>date</th><th>commit</th><th>cold / floor</th>{head}</tr>"
    return f'<div class="scroll"><table>\n{titles}\n' + "\n".join(rows) + "\n</table></div>"
