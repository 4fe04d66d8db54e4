"""What dbt is asked to build and to test after a change."""

import pytest

from luigi_tasks.dbt.selection import choose_run_options, choose_test_options

BUILT_FROM = {"inputs": "1", "code": "1", "settings": "1", "dim_users": "1", "fact_comments": "1"}


@pytest.mark.parametrize(
    ("before", "options"),
    [
        (None, ["--full-refresh"]),
        ({"inputs": "0"}, ["--exclude", "config.materialized:view"]),
        ({"dim_users": "0"}, ["--full-refresh", "--select", "dim_users+"]),
        ({"fact_comments": "0", "dim_users": "0"}, ["--full-refresh", "--select", "dim_users+", "fact_comments+"]),
        ({"code": "0"}, ["--full-refresh"]),
        ({"settings": "0"}, ["--full-refresh"]),
        ({"settings": "0", "inputs": "0"}, ["--full-refresh"]),
        ({"code": "0", "dim_users": "0"}, ["--full-refresh"]),
        ({"inputs": "0", "dim_users": "0"}, ["--full-refresh"]),
        ({"inputs": "0", "code": "0"}, ["--full-refresh"]),
        ({"dropped": "1"}, ["--full-refresh", "--select", "dropped+"]),
    ],
)
def test_choose_run_options__rebuilds_only_what_changed(before: dict[str, str] | None, options: list[str]) -> None:
    assert choose_run_options(before and BUILT_FROM | before, BUILT_FROM) == options


@pytest.mark.parametrize(
    ("before", "options"),
    [
        (None, []),
        ({"inputs": "0"}, None),
        ({"dim_users": "0"}, ["--select", "dim_users+"]),
        ({"fact_comments": "0", "dim_users": "0"}, ["--select", "dim_users+", "fact_comments+"]),
        ({"code": "0"}, []),
        ({"settings": "0"}, []),
        ({"settings": "0", "dim_users": "0"}, []),
        ({"tests": "0"}, []),
        ({"tests": "0", "dim_users": "0"}, []),
        ({"inputs": "0", "dim_users": "0"}, []),
        ({"inputs": "0", "code": "0"}, []),
    ],
)
def test_choose_test_options__selects_what_may_come_out_differently(
    before: dict[str, str] | None, options: list[str] | None
) -> None:
    """All rows, or (None) only those that were touched."""
    now = BUILT_FROM | {"tests": "1"}
    expected = ([], {"touched_only": True}) if options is None else (options, {})
    assert choose_test_options(before and now | before, now, everything_touched=False) == expected


def test_choose_test_options__selects_all_rows_after_a_rebuild() -> None:
    before = BUILT_FROM | {"inputs": "0"}
    assert choose_test_options(before, BUILT_FROM, everything_touched=True) == ([], {})


def test_choose_run_options__builds_a_model_that_is_new() -> None:
    before = {name: value for name, value in BUILT_FROM.items() if name != "dim_users"}
    assert choose_run_options(before, BUILT_FROM) == ["--full-refresh", "--select", "dim_users+"]
