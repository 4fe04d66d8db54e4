"""The report's file: when it is stale, how it is written, and that no data get out of hand in it."""

import importlib.metadata
import json
import os
import re
import subprocess
import sys

import pytest

from luigi_tasks import fingerprints, paths, warehouse
from luigi_tasks.errors import PipelineError
from luigi_tasks.report import page, queries
from luigi_tasks.report.data import MAX_LENGTH, MAX_LENGTHS, _blank_unknown, _combine_runs, shorten_text
from luigi_tasks.report.target import BYTES_TO_STAMP, ReportFile
from luigi_tasks.runs.journal import StageRecord
from luigi_tasks.stages.report import Report
from luigi_tasks.targets.marker import Marker
from luigi_tasks.warehouse import migrations

STAMP = {"code": "c", "ledger": "l", "marts": "m", "plotly": "7"}
HUGE = 9 * 10**17
HOSTILE = "</script><!--<script>&\u2028 ü😀" * 30


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "report", lambda: tmp_path / "made" / "index.html")


def row(query: str, number: int) -> dict:
    """A row as the named query gives it, as long and large as can be."""
    columns = {
        "place engagement post_text platform author day location tags reactions shares comments coverage commenters "
        "views post_id": "top_posts",
        "place engagement username platform posts reactions shares comments coverage comments_made followers "
        "user_id": "top_users",
        "platform engagement posts authors comments reported coverage reactions shares views per_view": "platforms",
        "tag posts reactions shares comments engagement per_post": "top_tags",
        "location posts authors reactions shares comments engagement": "top_locations",
        "entity measure read accepted rejected duplicate skipped": "ledger",
        "reason entity records": "skipped",
        "rule entity records": "rejections",
        "rule entity field fields": "issues",
        "started kind remark": "remarks",
        "batch": "stopped",
    }
    texts = {"post_text", "author", "day", "location", "tags", "post_id", "username", "user_id", "tag", "entity"}
    texts |= {"measure", "rule", "field", "started", "kind", "remark", "batch", "platform", "reason"}
    names = next(names for names, of in columns.items() if of == query).split()
    longest = MAX_LENGTHS
    return {
        name: shorten_text(HOSTILE, longest.get(name, MAX_LENGTH)) if name in texts else HUGE - number for name in names
    }


def make_data(rows: int) -> dict:
    """What the page shows, with so many rows in each list that has an end."""
    lists = (
        "top_posts",
        "top_users",
        "top_tags",
        "top_locations",
        "platforms",
        "ledger",
        "skipped",
        "rejections",
        "issues",
        "remarks",
        "stopped",
    )
    figures = ("users", "authors", "posts", "comments", "reactions", "shares", "engagement")
    averages = ("posts_per_user", "comments_per_user", "engagement_per_user")
    times = ("first_day", "last_day", "loaded", "published", "written")
    many = range(queries.PERIODS if rows else 0)
    return {
        **{name: [row(name, number) for number in range(rows)] for name in lists},
        "figures": dict.fromkeys((*figures, *averages), HUGE if rows else 0) | dict.fromkeys(times, "2024-01-01"),
        "unit": "day",
        "timeline": [{"start": "2024-01-01", "posts": HUGE, "comments": HUGE, "reactions": HUGE} for _ in many],
        "hours": {"posts": [[HUGE] * 24] * 7, "comments": []},
        "reactions": dict.fromkeys(("like", "love", "wow", "haha", "sad", "angry"), HUGE),
        "tags_over_time": {
            "unit": "month",
            "periods": ["2024-01-01" for _ in many],
            "tags": [
                {"tag": shorten_text(HOSTILE, 60), "posts": [HUGE for _ in many]} for _ in range(queries.TOP_TAGS)
            ],
        },
        "runs": [
            {
                "run": f"run {number}",
                "started": "2024-01-01 00:00",
                "outcome": "failed",
                "seconds": dict.fromkeys("abcdefgh", 1e6),
            }
            for number in range(queries.LAST_RUNS)
        ],
    }


def test_file__is_stale_where_it_is_missing_or_built_from_something_else(tmp_path):
    file = ReportFile(tmp_path / "index.html")
    assert file.find_stale_reason(STAMP) == "its file is missing or unreadable"
    file.path.write_text(page.render_page(STAMP, make_data(1)))
    assert file.find_stale_reason(STAMP) is None
    for name in STAMP:
        assert file.find_stale_reason(STAMP | {name: "other"}) == f"its {name} changed"
    file.path.write_text("<!doctype html>")
    assert file.find_stale_reason(STAMP) == "its code and ledger and marts and plotly changed"
    file.path.write_bytes(b"\xff\xfe" * 1000)
    assert file.find_stale_reason(STAMP) == "its code and ledger and marts and plotly changed"


def test_file__is_not_read_as_a_whole(tmp_path):
    html = page.render_page(STAMP, make_data(1))
    (tmp_path / "index.html").write_text(html[:BYTES_TO_STAMP])
    assert ReportFile(tmp_path / "index.html").find_stale_reason(STAMP) is None
    (tmp_path / "index.html").write_text(" " * BYTES_TO_STAMP + html)
    assert ReportFile(tmp_path / "index.html").find_stale_reason(STAMP)


def mark(table: str, batch: str, inputs: str) -> None:
    with warehouse.transaction() as cursor:
        Marker(table, batch).touch(cursor, {"inputs": inputs})


def test_built_from__follows_the_marts_the_ledger_the_code_and_the_library(own_warehouse, monkeypatch, tmp_path):
    def now() -> dict:
        with warehouse.reading() as cursor:
            return dict(page.read_built_from(cursor))

    assert now() == {
        "marts": "",
        "ledger": "",
        "code": fingerprints.of_modules(*paths.REPORT_CODE),
        "template": fingerprints.of_files(sorted(paths.REPORT_TEMPLATE.iterdir()), paths.REPORT_TEMPLATE),
        "plotly": importlib.metadata.version("plotly"),
    }
    migrations.apply()
    before = now()
    changes = []
    for table, batch, inputs in (
        ("marts", "", "1"),
        ("marts", "", "2"),
        ("etl.ledger", "a", "1"),
        ("etl.ledger", "b", "1"),
        ("raw_data.x", "a", "1"),
    ):
        mark(table, batch, inputs)
        changes.append([name for name, value in now().items() if value != before[name]])
        before = now()
    assert changes == [["marts"], ["marts"], ["ledger"], ["ledger"], []]
    other = tmp_path / "package" / "report.py"
    other.parent.mkdir()
    other.write_text("")
    monkeypatch.setattr(paths, "REPORT_CODE", (other,))
    monkeypatch.setattr(importlib.metadata, "version", lambda name: f"another {name}")
    assert [name for name, value in now().items() if value != before[name]] == ["code", "plotly"]


def test_built_from__can_be_read_before_the_warehouse_is_upgraded(own_warehouse):
    found = []
    for update_id in ("marts/#inputs=1", "marts/#inputs=2"):
        with warehouse.transaction() as cursor:
            cursor.execute(migrations.list_migrations()[0].sql)
            cursor.execute("delete from etl.table_updates")
            cursor.execute("insert into etl.table_updates values (%s, 'marts', '')", (update_id,))
            found.append(page.read_built_from(cursor)["marts"])
    assert all(found)
    assert found[0] != found[1]


def test_code__is_all_that_makes_the_page():
    assert {*paths.REPORT_CODE, paths.PROJECT / "luigi_tasks/report/__init__.py"} == {
        *paths.PROJECT.glob("luigi_tasks/report/*.py")
    }


def test_report__that_is_up_to_date_loads_neither_charts_nor_templates():
    command = (
        "import sys, luigi_tasks.cli.main; print({'plotly', 'jinja2', 'luigi_tasks.report.page'} & set(sys.modules))"
    )
    said = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=True).stdout
    assert said == "{'luigi_tasks.report.page'}\n"


def test_page__stays_small_and_holds_what_came_as_text():
    html = page.render_page(STAMP, make_data(queries.TOP))
    library = paths.plotly_js().stat().st_size
    assert len(html.encode()) - library < 1_000_000
    assert html.count("</script") == 3
    [charts] = re.findall(r'<script type="application/json" id="charts">(.*?)</script>', html, re.DOTALL)
    assert json.loads(charts)["tags_over_time"]["tags"][0]["tag"] == shorten_text(HOSTILE, 60)
    assert "<!--" not in charts


def find_cells(html: str, table: str) -> list[list[str]]:
    """The cells of a table on the page, row by row, the headings first."""
    [found] = re.findall(rf'<table id="{table}">(.*?)</table>', html, re.DOTALL)
    rows = re.findall(r"<tr>(.*?)</tr>", found, re.DOTALL)
    return [re.findall(r"<t[hd][^>]*>(?:<bdi>)?(.*?)(?:</bdi>)?</t[hd]>", row) for row in rows]


def test_page__tells_a_measure_that_a_format_lacks_from_zero():
    numbers = {"engagement": 1200, "posts": 2, "authors": 1, "comments": 3, "reactions": 0, "shares": 5}
    silent = dict.fromkeys(("reported", "coverage", "views", "per_view"))
    data = make_data(1) | {
        "platforms": [
            {"platform": "x", **numbers, "reported": 0, "coverage": None, "views": 0, "per_view": None},
            {"platform": "native", **numbers, **silent},
        ]
    }
    head, *rows = find_cells(page.render_page(STAMP, data), "platform-totals")
    assert [dict(zip(head, row, strict=True)) for row in rows] == [
        {
            **{"Platform": name, "Engagement": "1,200", "Posts": "2", "Authors": "1", "Comments": "3"},
            **{"Reported": unknown, "Coverage, %": "–", "Reactions": "0", "Shares": "5"},
            **{"Views": unknown, "Per view": "–"},
        }
        for name, unknown in (("x", "0"), ("native", "–"))
    ]


def test_users__have_unknown_reactions_and_shares_where_no_post_of_their_platform_has_any():
    platforms = [
        {"platform": "mastodon", "reactions": None, "shares": None},
        {"platform": "youtube", "reactions": 5, "shares": None},
        {"platform": "native", "reactions": 0, "shares": 0},
    ]
    users = [{"platform": name, "reactions": 0, "shares": 0, "posts": 0} for name in ("native", "youtube", "mastodon")]
    assert _blank_unknown(users, platforms) == [
        {"platform": "native", "reactions": 0, "shares": 0, "posts": 0},
        {"platform": "youtube", "reactions": 0, "shares": None, "posts": 0},
        {"platform": "mastodon", "reactions": None, "shares": None, "posts": 0},
    ]
    assert _blank_unknown(users, []) == users


def test_page__does_not_speak_of_platforms_where_there_is_the_native_format_alone():
    html = page.render_page(STAMP, make_data(1) | {"platforms": [], "skipped": []})
    shown = re.sub(r"<(style|script).*?</\1>", "", html, flags=re.DOTALL)
    assert not re.search("platform|coverage|followers|views|skipped records", shown, re.IGNORECASE)
    assert find_cells(html, "top-posts")[0] == [
        *("Rank", "Engagement", "Text", "Author", "Day", "Location", "Tags", "Reactions", "Shares", "Comments"),
        *("Commenters", "Identifier"),
    ]
    assert find_cells(html, "top-users")[0] == [
        *("Rank", "Engagement", "User", "Posts", "Reactions", "Shares", "Comments received", "Comments made"),
        "Identifier",
    ]


def test_page__allows_its_own_scripts_only():
    [policy] = re.findall(r'Content-Security-Policy" content="([^"]*)"', page.render_page(STAMP, make_data(1)))
    named = dict(part.split(" ", 1) for part in policy.split("; "))
    assert named["default-src"] == "'none'"
    assert re.fullmatch(r"('sha256-[\w+/]{43}=' ?){2}", named["script-src"])


def test_queries__all_have_an_end():
    one_row = {"FIGURES", "REACTION_MIX"}
    by_few = {"BUILT_FROM", "LEDGER", "POSTS_BY_HOUR", "COMMENTS_BY_HOUR"}
    selects = {name for name, text in vars(queries).items() if isinstance(text, str) and "select" in text}
    without = {name for name in selects if not re.search(r"limit \d+\b", getattr(queries, name))}
    assert without == one_row | by_few


def test_shown__is_one_line_without_control_characters_and_not_too_long():
    assert shorten_text(" a\n\tb \x00\x1b[1m", 20) == "a b \ufffd\ufffd[1m"
    assert shorten_text("ü" * 20, 20) == "ü" * 20
    assert shorten_text("ü" * 21, 20) == "ü" * 19 + "…"


def test_runs__end_with_this_one_and_what_it_did_until_now():
    started = "2024-01-01 00:00"
    rows = [
        {"run_id": "one", "started": started, "outcome": "done", "stage": "Extract", "seconds": 2},
        {"run_id": "one", "started": started, "outcome": "done", "stage": "Load", "seconds": 3},
        {"run_id": "lost", "started": started, "outcome": "failed", "stage": None, "seconds": None},
    ]
    stages = [
        StageRecord(stage, [], "", "", 86_400.0, 1.25, 1, "done") for stage in ("Load users", "Load posts", "Publish")
    ]
    one = {"run": "one", "started": started, "outcome": "done", "seconds": {"Extract": 2, "Load": 3}}
    lost = {"run": "lost", "started": started, "outcome": "failed", "seconds": {}}
    two = {"run": "two", "started": "1970-01-02 00:00", "outcome": "at work", "seconds": {"Load": 2.5, "Publish": 1.25}}
    assert _combine_runs(rows, "two", stages) == [one, lost, two]
    assert _combine_runs(rows, "two", []) == [one, lost]


def test_write__leaves_a_whole_file_for_all_to_read(monkeypatch):
    monkeypatch.setattr(page, "_read_report_data", lambda: (STAMP, make_data(1)))
    path = page.write_report()
    assert path.stat().st_mode & 0o777 == 0o600
    assert Report().output().find_stale_reason(STAMP) is None
    before = path.read_bytes()
    monkeypatch.setattr("os.fsync", lambda descriptor: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        page.write_report()
    assert [(each.name, each.read_bytes()) for each in path.parent.iterdir()] == [(path.name, before)]


def test_write__takes_away_what_a_killed_one_left_and_nothing_that_is_being_written(monkeypatch):
    monkeypatch.setattr(page, "_read_report_data", lambda: (STAMP, make_data(1)))
    path = page.write_report()
    left, being_written = (path.with_name(f".{path.name}.{name}") for name in ("left", "being_written"))
    left.touch()
    os.utime(left, (0, 0))
    being_written.touch()
    page.write_report()
    assert set(path.parent.iterdir()) == {path, being_written}


def test_write__says_which_folder_cannot_be_written(monkeypatch):
    monkeypatch.setattr(page, "_read_report_data", lambda: (STAMP, make_data(1)))
    folder = paths.report().parent
    folder.write_text("a file where the folder should be")
    advice = "make its folder writable, or set [report] folder elsewhere"
    expected = f"{folder}/index.html: cannot be written (File exists); {advice}"
    with pytest.raises(PipelineError, match=f"^{re.escape(expected)}$"):
        page.write_report()


@pytest.mark.parametrize("is_prepared", [False, True])
def test_write__says_that_nothing_is_published(own_warehouse, is_prepared):
    if is_prepared:
        migrations.apply()
    with pytest.raises(PipelineError, match="no marts are published yet; run the pipeline first"):
        page.write_report()
    assert not paths.report().exists()
