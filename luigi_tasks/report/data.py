"""What the report shows, as one dict: the rows of report_queries, made ready for tables and charts."""

import unicodedata
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from psycopg2.extensions import cursor as Cursor

from luigi_tasks.report import queries as queries
from luigi_tasks.runs.journal import Entry

LONGEST = {"post_text": 160, "tags": 120, "remark": 300}
LONGEST_NAME = 60
"""So many characters of a text are shown, by column."""

Row = dict[str, Any]


def collect(cursor: Cursor, run: str, stages: Sequence[Entry]) -> Row:
    """All that is shown, by the names that the page uses; `stages` are what this run has done until now, which is on
    record only once it has ended. The transaction of `cursor` should see one moment."""
    cursor.execute(queries.WHOLE_TABLES)
    unit, timeline = _timeline(cursor)
    return {
        "figures": _ask(cursor, queries.FIGURES)[0],
        "unit": unit,
        "timeline": timeline,
        "hours": {"posts": _hours(cursor, queries.POSTS_BY_HOUR), "comments": _hours(cursor, queries.COMMENTS_BY_HOUR)},
        "reactions": _ask(cursor, queries.REACTION_MIX)[0],
        "tags_over_time": _tags_over_time(cursor, max(unit, "month", key=queries.UNITS.index)),
        "top_posts": _ask(cursor, queries.TOP_POSTS),
        "top_users": _ask(cursor, queries.TOP_USERS),
        "top_tags": _ask(cursor, queries.TOP_TAGS_BY_ENGAGEMENT),
        "top_locations": _ask(cursor, queries.TOP_LOCATIONS),
        "ledger": _ask(cursor, queries.LEDGER),
        "stopped": _ask(cursor, queries.STOPPED),
        "rejections": _ask(cursor, queries.REJECTIONS),
        "issues": _ask(cursor, queries.ISSUES),
        "runs": _runs(_ask(cursor, queries.RUNS), run, stages),
        "remarks": _ask(cursor, queries.REMARKS),
    }


def shown(text: str, longest: int) -> str:
    """A text in one line, without control characters, and not longer than a table bears."""
    line = "".join("\ufffd" if unicodedata.category(char) == "Cc" else char for char in " ".join(text.split()))
    return line if len(line) <= longest else f"{line[: longest - 1]}…"


def _ask(cursor: Cursor, query: str, **parameters: object) -> list[Row]:
    """The rows of a query, by column."""
    cursor.execute(query, parameters)
    names = [column.name for column in cursor.description or ()]
    return [
        {
            name: shown(value, LONGEST.get(name, LONGEST_NAME)) if isinstance(value, str) else value
            for name, value in zip(names, row, strict=True)
        }
        for row in cursor.fetchall()
    ]


def _timeline(cursor: Cursor) -> tuple[str, list[Row]]:
    """The unit of time, and what was made in each."""
    for unit in queries.UNITS:
        rows = _ask(cursor, queries.TIMELINE, unit=unit)
        if len(rows) <= queries.PERIODS:
            break
    return unit, rows


def _hours(cursor: Cursor, query: str) -> list[list[int]]:
    """How many at each hour of each day of the week, Monday first; empty where there is none at all."""
    cursor.execute(query)
    found = {(day, hour): count for day, hour, count in cursor.fetchall()}
    return [[found.get((day, hour), 0) for hour in range(24)] for day in range(1, 8)] if found else []


def _tags_over_time(cursor: Cursor, unit: str) -> Row:
    """The posts of the most used tags, most used first, in each unit of time in which one of them was used."""
    rows = _ask(cursor, queries.TAGS_OVER_TIME, unit=unit)
    periods = {start: place for place, start in enumerate(sorted({row["start"] for row in rows}))}
    tags: dict[int, Row] = {}
    for row in rows:
        of_tag = tags.setdefault(row["place"], {"tag": row["tag"], "posts": [0] * len(periods)})
        of_tag["posts"][periods[row["start"]]] = row["posts"]
    return {"unit": unit, "periods": list(periods), "tags": list(tags.values())}


def _runs(rows: Sequence[Row], run: str, stages: Sequence[Entry]) -> list[Row]:
    """A run each, the latest last, with the seconds of its stages, a table's loads added up."""
    runs: dict[str, Row] = {}
    for row in rows:
        of_run = runs.setdefault(row["run_id"], {"run": row["run_id"], "started": row["started"], "seconds": {}})
        of_run["seconds"][row["stage"]] = row["seconds"]
    if stages:
        seconds: dict[str, float] = {}
        for entry in stages:
            kind = entry.stage.split()[0]
            seconds[kind] = round(seconds.get(kind, 0) + entry.seconds, 2)
        started = f"{datetime.fromtimestamp(stages[0].started, UTC):%Y-%m-%d %H:%M}"
        runs[run] = {"run": run, "started": started, "seconds": seconds}
    return list(runs.values())
