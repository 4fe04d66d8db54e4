"""docs/sources.md and the code say the same; its example is run."""

import json
import re

from luigi_tasks import paths
from spark_jobs.extraction.parsing import parse_json
from spark_jobs.sources.detection import detect
from spark_jobs.sources.heads import JSON_LINES, Head
from spark_jobs.sources.rules import FIELDS, RULE_KEYS
from spark_jobs.sources.tables import TABLE_KEYS, load_sources
from spark_jobs.sources.transforms import PLACED_TRANSFORMS, TRANSFORMS

PAGE = (paths.PROJECT / "docs" / "sources.md").read_text(encoding="utf-8")


def test_example__becomes_what_the_page_says(tmp_path):
    [records, wanted] = re.findall(r"```json\n(.+?)```", PAGE, re.DOTALL)
    [table] = re.findall(r"```toml\n(.+?)```", PAGE, re.DOTALL)
    (tmp_path / "forum.toml").write_text(table, encoding="utf-8")
    lines = records.splitlines()
    values = [parse_json(line.encode()) for line in lines]
    source = detect(Head(JSON_LINES, tuple(values)), "export.jsonl", load_sources([tmp_path]))
    assert source.name == "forum"
    context = source.index(values)
    rows = [row for value, line in zip(values, lines, strict=True) for row in source.map(value, line, context)]
    assert {row.pop("platform") for row in rows} == {"forum"}
    assert [{name: value for name, value in row.items() if name != "record_index"} for row in rows] == json.loads(
        wanted
    )


def test_page__names_every_word_of_a_table():
    prose = re.sub(r"```.+?```", "", PAGE, flags=re.DOTALL)
    named = set(re.findall(r"\w+", " ".join(re.findall(r"`[^`]+`", prose))))
    words = {*TABLE_KEYS, *RULE_KEYS, *TRANSFORMS, *PLACED_TRANSFORMS, *(name for of in FIELDS.values() for name in of)}
    assert words - named - {"native"} == set()


def test_page__names_every_source():
    named = set(re.findall(r"`(\w+)`", PAGE.partition("## The formats that are here")[2]))
    assert {source.name for source in load_sources()} - named == set()
