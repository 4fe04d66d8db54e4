"""What is made of the measurements: statistics, stages, files, tables, the page."""

import json
from xml.etree import ElementTree

import pytest

from bench import page, report
from bench.measure import Measurement, Role
from bench.project import compute_stage_seconds
from bench.report import Spread
from luigi_tasks.runs.journal import StageRecord


def measurement(case: str, number: int, seconds: float) -> dict:
    roles = {"java": Role(9.0, 3_000_000, 2_000_000, 1_000_000)}
    return report.describe_measurement(
        case, number, Measurement(seconds, 2 * seconds, 5_000_000, roles, {"Clean": seconds / 2})
    )


def result(date: str, cold: list[float], floor: list[float], users: int = 65_000, cores: int = 2) -> dict:
    of_case = {"cold": cold, "floor": floor}
    return {
        "date": date,
        "commit": "abc1234",
        "machine": {"cores": cores, "memory_gb": 8.0, "python": "3.12", "java": "openjdk 21"},
        "settings": {"users": users, "rounds": len(cold)},
        "data": {"users": users, "posts": 5 * users, "comments": 12 * users, "bytes": 6_750 * users},
        "measurements": [
            measurement(name, number, seconds)
            for name, all_seconds in of_case.items()
            for number, seconds in enumerate(all_seconds, 1)
        ],
    }


def test_compute_spreads__of_each_case_that_was_measured():
    found = report.compute_spreads(result("2026-01-01T10:00:00+00:00", [70.0, 60.0, 90.0], [20.0, 22.0]))
    assert found == {"floor": Spread(21.0, 20.0, 22.0, 2), "cold": Spread(70.0, 60.0, 90.0, 3)}


@pytest.mark.parametrize(
    ("case", "medians", "expected"),
    [
        ("cold", {"cold": 60.0, "floor": 20.0}, 3.0),
        ("nothing", {"cold": 60.0, "nothing": 3.0}, 0.05),
        ("many-more", {"alone": 10.0, "many-more": 15.0, "cold": 1.0}, 1.5),
        ("floor", {"cold": 60.0, "floor": 20.0}, None),
        ("cold", {"cold": 60.0}, None),
        ("cold", {"floor": 20.0}, None),
    ],
)
def test_compute_ratio__of_medians(case, medians, expected):
    assert (
        report.compute_ratio(case, {name: Spread(value, 0.0, 99.0, 5) for name, value in medians.items()}) == expected
    )


def test_compute_stage_seconds__spans_all_of_their_kind_and_leaves_what_is_outside():
    spans = {
        "Load posts 2026-01-01": (108.0, 4.0),
        "Extract 2026-01-01": (101.0, 5.0),
        "Load users 2026-01-01": (107.0, 2.0),
        "DbtRun": (111.0, 6.0),
    }
    finished = [
        StageRecord(title, [], title, "", started, seconds, None, "done") for title, (started, seconds) in spans.items()
    ]
    assert compute_stage_seconds(finished, 20.0) == {"Extract": 5.0, "Load": 5.0, "DbtRun": 6.0, "outside": 5.0}


def test_compute_stage_seconds__is_empty_when_nothing_was_done():
    assert compute_stage_seconds([], 2.0) == {}


def test_results_file__is_read_as_it_was_written(tmp_path):
    later, earlier = result("2026-01-02T10:00:00+00:00", [70.0], [20.0]), result("2026-01-01T10:00:00+00:00", [1], [2])
    path = report.save_results(later, tmp_path)
    assert path.name == "20260102T100000-abc1234-65000.json"
    assert json.loads(path.read_text()) == later
    assert len([line for line in path.read_text().splitlines() if '"case"' in line]) == 2
    report.save_results(earlier, tmp_path)
    assert page.read_results(tmp_path) == [earlier, later]


def test_format_tables__shows_medians_ratios_stages_and_memory():
    shown = report.format_tables(result("2026-01-01T10:00:00+00:00", [70.0, 60.0, 90.0], [20.0, 22.0])).splitlines()
    assert [" ".join(line.split()) for line in shown if line.startswith("cold ")] == [
        "cold from empty checkpoints and an empty warehouse 70.0 60.0 90.0 3 3.33 x floor 140.0 5",
        "cold 35.0",
        "cold 2 (1)",
    ]


def test_render_page__has_a_section_a_size_and_a_point_a_file():
    found = [
        result("2026-01-01T10:00:00+00:00", [70.0, 60.0], [20.0]),
        result("2026-01-02T10:00:00+00:00", [60.0], [20.0]),
        result("2026-01-03T10:00:00+00:00", [6.0], [1.0], users=6_500),
        result("2026-01-04T10:00:00+00:00", [30.0], [10.0], cores=8),
    ]
    html = page.render_page(found)
    assert [part.split("</h2>")[0] for part in html.split("<h2>")[1:]] == [
        "65,000 users, 2 cores",
        "65,000 users, 8 cores",
        "6,500 users, 2 cores",
    ]
    assert html.count("<title>cold 65.00 s (60.00 to 70.00): 2026-01-01 10:00, abc1234</title>") == 1
    assert html.count("<title>ratio 3.00 (3.00 to 3.00)") == 2
    assert "http" not in html


def test_render_page__without_results_says_how_to_get_some():
    assert "make bench" in page.render_page([])


def test_draw_chart__draws_higher_values_higher_and_leaves_gaps():
    drawn = page.draw_chart(
        ["a <b>", "c", "d"], {"cold": [Spread(1.0, 1.0, 1.0, 1), None, Spread(2.0, 2.0, 4.0, 2)]}, " s"
    )
    svg = ElementTree.fromstring(drawn)
    circles = list(svg.iter("circle"))
    heights = [float(circle.attrib["cy"]) for circle in circles]
    assert len(circles) == 2
    assert heights[1] < heights[0] < page.HEIGHT
    assert circles[0][0].text == "cold 1.00 s (1.00 to 1.00): a <b>"
