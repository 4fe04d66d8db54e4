"""The record of processing says what the map says, by purpose."""

import json

from click.testing import CliRunner
from project import REPOSITORY

from luigi_tasks.cli.main import main
from luigi_tasks.privacy import map_file, record
from luigi_tasks.privacy.privacy_map import Column, Folder, Handling, Kind, PrivacyMap, Purpose

ANALYSIS, OPERATION = Purpose("analysis", "Look at it", "public_task"), Purpose("operation", "Run it", "consent")
KEY = Kind("key", "A key", ("identity", "content"), ("user_id",), "masked_text")
COUNT = Kind("count", "A count", ("technical",), ("none",), "none")
LOGS = Kind("logs.folder", "Logs", ("identity",), ("operator",), "none")
IN_CORE = Handling(ANALYSIS, ("pipeline",), None, "by hand")
IN_MARTS = Handling(ANALYSIS, ("analyst", "personal"), 1000, "by hand")
SMALL = PrivacyMap(
    (ANALYSIS, OPERATION),
    (
        Column("core", "users", "id", KEY, IN_CORE),
        Column("core", "users", "sk", KEY, IN_CORE),
        Column("core", "users", "posts", COUNT, IN_CORE),
        Column("core", "posts", "user_id", KEY, IN_CORE),
        Column("marts", "users", "id", KEY, IN_MARTS),
    ),
    (Folder("logs.folder", LOGS, Handling(OPERATION, ("pipeline",), None, "ended")),),
)
HEADER = "| Data | Categories | Leads to a person by | Where | Readers | Kept |"
LINES = "| --- | --- | --- | --- | --- | --- |"


def test_record__is_by_purpose_and_leaves_out_what_leads_to_nobody():
    lines = list(record.format_record(record.make_record(SMALL)))
    assert lines == [
        *("# Record of processing", "", record.NOT_ENFORCED),
        *("", "## Look at it", ""),
        "Legal basis: public task. Places of data that lead to no person: 1.",
        *("", HEADER, LINES),
        "| A key | identity, content | user_id | core.users (id, sk); core.posts (user_id) | pipeline | by hand |",
        "| A key | identity, content | user_id | marts.users (id) | analyst (masked text), personal "
        "| 1,000 days at most; by hand |",
        *("", "## Run it", ""),
        "Legal basis: consent. Places of data that lead to no person: 0.",
        *("", HEADER, LINES),
        "| Logs | identity | operator | [logs] folder | pipeline | ended |",
    ]


def test_record__has_every_column_and_folder_once():
    found = map_file.read_map()
    places = [place for each in record.make_record(found) for data in each.data for place in data.places]
    assert len(places) == len(set(places)) == len(found.columns) + len(found.folders)


def test_command__prints_markdown_or_json(monkeypatch):
    monkeypatch.chdir(REPOSITORY)
    printed = CliRunner().invoke(main, ["privacy", "record"]).output
    assert printed.splitlines() == list(record.format_record(record.make_record(map_file.read_map())))
    found = json.loads(CliRunner().invoke(main, ["privacy", "record", "--json"]).output)
    assert not found["is_enforced"]
    assert [each["purpose"]["name"] for each in found["purposes"]] == [
        "preparation",
        "analysis",
        "correction",
        "operation",
    ]
    [mail] = [data for data in found["purposes"][0]["data"] if data["places"] == ["raw_data.users.email"]]
    assert (mail["categories"], mail["persons"], mail["mask"], mail["keep_days"]) == (
        ["contact"],
        ["user_id"],
        "empty",
        None,
    )
