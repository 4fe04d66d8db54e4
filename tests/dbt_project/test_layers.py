"""The star is a boundary: what a layer may refer to, and what its yml has to say, read from the manifest."""

import pytest

TOTALS = [
    "total_likes",
    "total_love",
    "total_wow",
    "total_haha",
    "total_sad",
    "total_angry",
    "total_shares",
    "total_comments",
]
OTHER_TOTALS = ["total_score", "reported_comments", "total_views", "total_quotes", "total_saves"]
RATES = ["comment_coverage", "engagement_rate_by_views"]
LATER = ["platform", "total_other_reactions"]
"""Columns that came later stand after those that were there, so that views on a mart need not be made again."""
MARTS = {
    "user_engagement_mart": [
        "user_sk",
        "user_id",
        "username",
        "total_posts",
        *TOTALS,
        "comments_made",
        "total_engagement",
        "engagement_rank",
        *LATER,
        *OTHER_TOTALS,
        *RATES,
        "followers",
        "engagement_rate_by_followers",
        "is_inferred",
    ],
    "content_performance_mart": [
        "post_sk",
        "post_id",
        "user_sk",
        "username",
        "post_text",
        "post_timestamp",
        "tags",
        "location",
        *TOTALS,
        "total_users_interacted",
        "total_engagement",
        "engagement_rank",
        *LATER,
        *OTHER_TOTALS,
        *RATES,
        "followers",
        "engagement_rate_by_followers",
        "channel",
        "url",
        "post_type",
        "lang",
    ],
    "tag_analysis_mart": [
        "tag",
        "total_posts_with_tag",
        *TOTALS,
        "total_engagement",
        "avg_likes_per_post",
        "avg_engagement_per_post",
        *LATER,
        *OTHER_TOTALS,
        *RATES,
    ],
    "location_analysis_mart": [
        "location",
        "total_posts",
        *TOTALS,
        "total_users_in_location",
        "total_engagement",
        *LATER,
        *OTHER_TOTALS,
        *RATES,
    ],
    "daily_engagement_mart": [
        "date_day",
        "posts",
        "comments",
        *TOTALS[:-1],
        "active_authors",
        "active_commenters",
        *LATER,
        "total_comments",
        *OTHER_TOTALS,
        "total_engagement",
        *RATES,
    ],
    "platform_mart": [
        "platform",
        "total_users",
        "active_authors",
        "total_posts",
        "comments",
        *TOTALS[:-1],
        "total_other_reactions",
        "total_comments",
        "total_engagement",
        *OTHER_TOTALS,
        *RATES,
    ],
}
FIGURES = ["persons", "total_posts", "total_reactions", "total_shares", "total_comments", "total_engagement"]
OPEN = {
    "open_platforms": ["platform", *FIGURES],
    "open_locations": ["location", "platform", *FIGURES],
    "open_days": ["date_day", "platform", *FIGURES],
    "open_tags": ["tag", "platform", *FIGURES],
}
CORE = {
    "dim_users",
    "dim_posts",
    "dim_tags",
    "bridge_post_tags",
    "dim_locations",
    "dim_dates",
    "fact_post_interactions",
    "fact_comments",
}
STAGING = {"stg_users", "stg_posts", "stg_comments"}
TOUCHED = "touched_keys"
"""What changed since the last run: the one model of staging that every layer may refer to."""
INTERMEDIATE = {
    "int_open_groups",
    "int_post_commenters",
    "int_post_engagement",
    "int_post_ranks",
    "int_user_engagement",
    "int_user_ranks",
}
VIEWS = STAGING | {"int_post_ranks", "int_user_ranks", "content_performance_mart", "user_engagement_mart"} | set(OPEN)
WHOLE = {"tag_analysis_mart", "location_analysis_mart", "platform_mart"}
"""Few rows, and every batch changes nearly all of them: rebuilt in each run."""


def test_layers__hold_exactly_the_models_of_the_design(models: dict) -> None:
    layers: dict[str, set[str]] = {}
    for name, node in models.items():
        layers.setdefault(node["schema"], set()).add(name)
    assert layers == {
        "staging": STAGING | {TOUCHED},
        "core": CORE,
        "intermediate": INTERMEDIATE,
        "candidates": set(MARTS) | set(OPEN),
    }


def test_layers__only_staging_uses_sources(models: dict) -> None:
    users_of_sources = {
        name
        for name, node in models.items()
        if any(parent.startswith("source.") for parent in node["depends_on"]["nodes"])
    }
    assert users_of_sources == STAGING | {TOUCHED}


def test_layers__names_say_whether_a_model_is_intermediate(models: dict) -> None:
    prefixed = {name for name in models if name.startswith("int_")}
    assert prefixed == {name for name, node in models.items() if node["schema"] == "intermediate"}


def test_layers__every_model_refers_only_to_the_layers_below(models: dict) -> None:
    allowed = {
        "staging": set(),
        "core": {"staging", "core"},
        "intermediate": {"core", "intermediate"},
        "candidates": {"core", "intermediate"},
    }
    schemas = {node["unique_id"]: node["schema"] for node in models.values()}
    breaches = [
        f"{name} refers to {parent}"
        for name, node in models.items()
        for parent in node["depends_on"]["nodes"]
        if parent.startswith("model.")
        and TOUCHED not in (name, parent.split(".")[-1])
        and schemas[parent] not in allowed[node["schema"]]
    ]
    assert breaches == []


def test_layers__are_incremental_except_for_views_and_small_marts(models: dict) -> None:
    made: dict[str, set[str]] = {}
    for name, node in models.items():
        made.setdefault(node["config"]["materialized"], set()).add(name)
    assert made == {"view": VIEWS, "table": WHOLE, "incremental": set(models) - VIEWS - WHOLE}


def test_layers__everything_after_staging_is_under_contract(models: dict) -> None:
    found = {name for name, node in models.items() if node["contract"]["enforced"]}
    assert found == set(models) - STAGING - {TOUCHED}


def test_yml__every_model_says_its_grain(models: dict) -> None:
    without = [name for name, node in models.items() if not node["description"].startswith("One row per ")]
    assert without == []


def test_yml__stands_beside_its_model(models: dict) -> None:
    elsewhere = [
        name
        for name, node in models.items()
        if node["patch_path"].split("://")[1] != node["original_file_path"].removesuffix(".sql") + ".yml"
    ]
    assert elsewhere == []


def test_yml__every_column_has_a_type_and_a_description(models: dict) -> None:
    lacking = [
        f"{name}.{column['name']}"
        for name, node in models.items()
        for column in node["columns"].values()
        if not column["data_type"] or not column["description"]
    ]
    assert lacking == []


@pytest.mark.parametrize("mart", sorted(MARTS | OPEN))
def test_yml__columns_of_a_mart_are_those_of_the_design(models: dict, mart: str) -> None:
    assert list(models[mart]["columns"]) == (MARTS | OPEN)[mart]


def test_layers__open_reads_nothing_but_groups(models: dict) -> None:
    assert {parent for name in OPEN for parent in models[name]["depends_on"]["nodes"]} == {
        models["int_open_groups"]["unique_id"]
    }


def test_yml__every_model_has_a_unit_test(manifest: dict, models: dict) -> None:
    # touched_keys reads core as the previous run left it, which a unit test cannot give it; see test_changes.py
    assert set(models) - {test["model"] for test in manifest["unit_tests"].values()} == {TOUCHED}


def test_layers__every_table_has_a_key(models: dict) -> None:
    indexes = {name: node["config"].get("indexes", []) for name, node in models.items()}
    keyed = {name for name, listed in indexes.items() if any(index["unique"] for index in listed)}
    assert keyed == set(models) - VIEWS - {TOUCHED}
