"""docs/sources.md and the code say the same; its examples are run."""

import json
import re
from pathlib import Path

from luigi_tasks import paths
from spark_jobs.extraction.parsing import parse_json
from spark_jobs.sources.catalog import list_sources, read_tables
from spark_jobs.sources.detection import detect
from spark_jobs.sources.environment import Row
from spark_jobs.sources.heads import CSV, JSON_LINES, JSON_OBJECT, Head
from spark_jobs.sources.recognition import name_columns
from spark_jobs.sources.rules import FIELDS, RULE_KEYS
from spark_jobs.sources.source import Source
from spark_jobs.sources.tables import TABLE_KEYS
from spark_jobs.sources.transforms import PLACED_TRANSFORMS, TRANSFORMS

PAGE = (paths.PROJECT / "docs" / "sources.md").read_text(encoding="utf-8")


def find_blocks(kind: str) -> list[str]:
    return re.findall(rf"```{kind}\n(.+?)```", PAGE, re.DOTALL)


def load_tables(folder: Path) -> tuple[Source, ...]:
    for name, table in zip(("forum", "agora_members", "agora_threads"), find_blocks("toml"), strict=True):
        (folder / f"{name}.toml").write_text(table, encoding="utf-8")
    return list_sources(read_tables(folder))


def drop_places(rows: list[Row], platform: str) -> list[Row]:
    assert {row["platform"] for row in rows} == {platform}
    return [{name: value for name, value in row.items() if name not in ("record_index", "platform")} for row in rows]


def test_example__of_lines_becomes_what_the_page_says(tmp_path):
    records, wanted, *_ = find_blocks("json")
    lines = records.splitlines()
    values = [parse_json(line.encode()) for line in lines]
    source = detect(Head(JSON_LINES, tuple(values)), "export.jsonl", load_tables(tmp_path))
    assert source.name == "forum"
    context = source.index(values)
    rows = [row for value, line in zip(values, lines, strict=True) for row in source.map(value, line, context)]
    assert drop_places(rows, "forum") == json.loads(wanted)


def test_example__of_answers_in_answers_becomes_what_the_page_says(tmp_path):
    records, wanted = find_blocks("json")[2:4]
    value = parse_json(records.encode())
    source = detect(Head(JSON_OBJECT, (value,)), "threads.json", load_tables(tmp_path))
    assert source.name == "agora_threads"
    assert drop_places(source.map(value, records, source.index([value])), "agora") == json.loads(wanted)


def test_example__of_members_becomes_what_the_page_says(tmp_path):
    [cells], wanted = find_blocks("csv"), find_blocks("json")[4]
    header, *rows = [line.split(";") for line in cells.splitlines()]
    source = detect(Head(CSV, columns=tuple(header)), "members.csv", load_tables(tmp_path))
    assert source.name == "agora_members"
    values = [dict(zip(name_columns(header), row, strict=True)) for row in rows]
    found = [row for value in values for row in source.map(value, "", source.start())]
    assert drop_places(found, "agora") == json.loads(wanted)


def test_times__are_read_as_the_page_says():
    lines = re.findall(r"^\| (`[^|]+`) \| (\d [^|]+|stays[^|]+) \| ([^|]+) \|$", PAGE, re.MULTILINE)
    assert len(lines) == 5
    for shown, plain, day_first in lines:
        for text in re.findall("`([^`]+)`", shown):
            for arguments, wanted in (([], plain), (["day_first"], day_first)):
                written = TRANSFORMS["time"](arguments)(text)
                dates = {"1 February": "2023-02-01", "2 January": "2023-01-02", "stays as it is": text}
                assert written.startswith(dates[wanted])


def test_page__names_every_word_of_a_table():
    prose = re.sub(r"```.+?```", "", PAGE, flags=re.DOTALL)
    named = set(re.findall(r"\w+", " ".join(re.findall(r"`[^`]+`", prose))))
    words = {*TABLE_KEYS, *RULE_KEYS, *TRANSFORMS, *PLACED_TRANSFORMS, *(name for of in FIELDS.values() for name in of)}
    assert words - named - {"native"} == set()


def test_page__names_every_source():
    named = set(re.findall(r"`(\w+)`", PAGE.partition("## The formats that are here")[2]))
    assert {source.name for source in list_sources({})} - named == set()
