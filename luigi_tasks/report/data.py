"""Collects what the report shows: the rows of its queries, shortened for tables and arranged for charts."""

import unicodedata
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from psycopg2.extensions import cursor as Cursor

from luigi_tasks.report import queries
from luigi_tasks.runs.journal import StageRecord

MAX_LENGTHS = {"post_text": 160, "tags": 120, "remark": 300}
"""Characters of a text that are shown, by column: tables stay readable and the page small."""
MAX_LENGTH = 60
"""The same for all other columns: names."""

Row = dict[str, Any]
"""A row by column, as the template reads it."""


def collect_report_data(cursor: Cursor, run: str, stages: Sequence[StageRecord]) -> Row:
    """Return everything that the page shows, by the names that its template uses.

    `stages` are those that this run has finished: they are not in etl.stages before its end. The transaction of
    `cursor` should be repeatable read, so that all numbers belong together.
    """
    cursor.execute(queries.WHOLE_TABLES)
    unit, timeline = _fetch_timeline(cursor)
    platforms = _fetch_platforms(cursor)
    return {
        "figures": _fetch_rows(cursor, queries.FIGURES)[0],
        "platforms": platforms,
        "unit": unit,
        "timeline": timeline,
        "hours": {
            "posts": _count_by_hour(cursor, queries.POSTS_BY_HOUR),
            "comments": _count_by_hour(cursor, queries.COMMENTS_BY_HOUR),
        },
        "reactions": _fetch_reactions(cursor),
        "tags_over_time": _fetch_tags_over_time(cursor, max(unit, "month", key=queries.UNITS.index)),
        "top_posts": _fetch_rows(cursor, queries.TOP_POSTS),
        "top_users": _blank_unknown(_fetch_rows(cursor, queries.TOP_USERS), platforms),
        "top_tags": _fetch_rows(cursor, queries.TOP_TAGS_BY_ENGAGEMENT),
        "top_locations": _fetch_rows(cursor, queries.TOP_LOCATIONS),
        "ledger": _fetch_rows(cursor, queries.LEDGER),
        "skipped": _fetch_rows(cursor, queries.SKIPPED),
        "stopped": _fetch_rows(cursor, queries.STOPPED),
        "rejections": _fetch_rows(cursor, queries.REJECTIONS),
        "issues": _fetch_rows(cursor, queries.ISSUES),
        "runs": _combine_runs(_fetch_rows(cursor, queries.RUNS), run, stages),
        "remarks": _fetch_rows(cursor, queries.REMARKS),
    }


def shorten_text(text: str, max_length: int) -> str:
    """Return a text on one line, without control characters, cut to a number of characters."""
    line = "".join("\ufffd" if unicodedata.category(char) == "Cc" else char for char in " ".join(text.split()))
    return line if len(line) <= max_length else f"{line[: max_length - 1]}…"


def _fetch_rows(cursor: Cursor, query: str, **parameters: object) -> list[Row]:
    """Return the rows of a query by column, texts shortened."""
    cursor.execute(query, parameters)
    names = [column.name for column in cursor.description or ()]
    return [
        {
            name: shorten_text(value, MAX_LENGTHS.get(name, MAX_LENGTH)) if isinstance(value, str) else value
            for name, value in zip(names, row, strict=True)
        }
        for row in cursor.fetchall()
    ]


def _fetch_timeline(cursor: Cursor) -> tuple[str, list[Row]]:
    """Return the smallest unit of time that needs no more than PERIODS rows, and the rows."""
    for unit in queries.UNITS:
        rows = _fetch_rows(cursor, queries.TIMELINE, unit=unit)
        if len(rows) <= queries.PERIODS:
            break
    return unit, rows


def _fetch_platforms(cursor: Cursor) -> list[Row]:
    """Return the totals of each platform, or nothing where there is only the native one."""
    platforms = _fetch_rows(cursor, queries.PLATFORMS)
    return platforms if any(row["platform"] != queries.NATIVE for row in platforms) else []


def _blank_unknown(users: list[Row], platforms: Sequence[Row]) -> list[Row]:
    """Return users without the reactions and shares that no post of their platform has: marts add them up to 0."""
    unknown = {row["platform"]: [name for name in ("reactions", "shares") if row[name] is None] for row in platforms}
    return [user | dict.fromkeys(unknown.get(user["platform"], [])) for user in users]


def _fetch_reactions(cursor: Cursor) -> Row:
    """Return reactions by kind; those beside the six, which few sources have, only if there are any."""
    reactions = _fetch_rows(cursor, queries.REACTION_MIX)[0]
    return {kind: number for kind, number in reactions.items() if kind != "other" or number}


def _count_by_hour(cursor: Cursor, query: str) -> list[list[int]]:
    """Return counts by day of the week, Monday first, and hour of the day; empty if there are none."""
    cursor.execute(query)
    counts = {(day, hour): count for day, hour, count in cursor.fetchall()}
    return [[counts.get((day, hour), 0) for hour in range(24)] for day in range(1, 8)] if counts else []


def _fetch_tags_over_time(cursor: Cursor, unit: str) -> Row:
    """Return the posts of the most used tags, most used first, in each unit of time in which one was used."""
    rows = _fetch_rows(cursor, queries.TAGS_OVER_TIME, unit=unit)
    starts = sorted({row["start"] for row in rows})
    positions = {start: position for position, start in enumerate(starts)}
    tags: dict[int, Row] = {}
    for row in rows:
        tag = tags.setdefault(row["place"], {"tag": row["tag"], "posts": [0] * len(starts)})
        tag["posts"][positions[row["start"]]] = row["posts"]
    return {"unit": unit, "periods": starts, "tags": list(tags.values())}


def _combine_runs(rows: Sequence[Row], run: str, stages: Sequence[StageRecord]) -> list[Row]:
    """Return recorded runs, then this one, with outcome and seconds by stage; the loads of all tables are summed.

    A run that failed before any stage began has no seconds.
    """
    runs: dict[str, Row] = {}
    for row in rows:
        about = {"run": row["run_id"], "started": row["started"], "outcome": row["outcome"], "seconds": {}}
        recorded = runs.setdefault(row["run_id"], about)
        if row["stage"] is not None:
            recorded["seconds"][row["stage"]] = row["seconds"]
    if stages:
        seconds: dict[str, float] = {}
        for stage in stages:
            name = stage.stage.split()[0]
            seconds[name] = round(seconds.get(name, 0) + stage.seconds, 2)
        started = f"{datetime.fromtimestamp(stages[0].started, UTC):%Y-%m-%d %H:%M}"
        runs[run] = {"run": run, "started": started, "outcome": "at work", "seconds": seconds}
    return list(runs.values())
