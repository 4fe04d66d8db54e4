"""dbt's page in a real browser: descriptions and lineage are there, without a server and without a secret."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import Look, started
from playwright.sync_api import Browser
from project import MakeProject

SECRET = "pa55-of-nobody-else"
GRAPH = "document.querySelector('.__________cytoscape_container')"
SHOWN = f"{GRAPH}?._cyreg?.cy?.nodes(':visible').map(node => node.data('label')) ?? []"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with started() as made:
        yield made


@pytest.fixture(scope="module")
def page(make_project: MakeProject) -> Path:
    made = make_project()
    made.land("2026-01-01.json", [{"user_id": "ann", "posts": [{"post_id": "p"}]}])
    assert made.run().code == 0
    kept = files(made.checkpoints / "dbt")
    ended = made.socialmart("docs", PGPASSWORD=SECRET, DBT_ENV_CUSTOM_ENV_KEY=SECRET, SOCIALMART_NOTIFY=SECRET)
    path = made.folder / "data" / "docs" / "index.html"
    assert (ended.code, ended.output) == (0, f"{path}\n")
    assert files(made.checkpoints / "dbt") == kept != {}
    return path


def files(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_page__holds_no_secret(page):
    assert SECRET not in page.read_text()


def test_page__shows_the_marts_where_readers_see_them(page):
    schemas = set(re.findall(r'"schema": ?"(\w+)"', page.read_text()))
    assert {"marts", "open", "core", "raw_data"} <= schemas and not schemas & {"candidates", "published"}


@pytest.mark.parametrize(
    ("place", "description"),
    [
        ("model/model.socialmart.user_engagement_mart", "One row per user, with or without posts"),
        ("model/model.socialmart.fact_comments", "One row per comment."),
        ("source/source.socialmart.raw_data.users", "One row per batch, platform and user."),
        ("source/source.socialmart.etl.remarks", "One row per anomaly of a run."),
        ("exposure/exposure.socialmart.report", "One HTML file that the stage Report writes after Publish"),
    ],
)
def test_page__describes_sources_models_and_the_report(browser, page, place, description):
    look = Look(browser, page, place=f"#!/{place}")
    look.page.get_by_text(description).first.wait_for()
    assert (look.wrong, look.requests) == ([], [])
    look.page.close()


def test_page__shows_the_lineage_of_a_mart_from_the_sources_to_the_report(browser, page):
    mart = "tag_analysis_mart"
    look = Look(browser, page, place=f"#!/model/model.socialmart.{mart}?g_v=1&g_i=%2B{mart}%2B")
    look.page.wait_for_function(f"() => ({SHOWN}).length > 0")
    assert {"raw_data.posts", "stg_posts", "fact_post_interactions", mart, "Social media report"} <= set(
        look.ask(SHOWN)
    )
    assert look.page.locator("canvas").count() > 0
    assert (look.wrong, look.requests) == ([], [])
    look.page.close()
