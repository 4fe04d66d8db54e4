"""Chooses what dbt has to build and to test, from what changed since it was last built or tested."""

from collections.abc import Mapping

from luigi_tasks.targets.built_from import BuiltFrom, list_changes

INPUTS, SETTINGS = "inputs", "settings"
BUILD = "build"
"""Which build of the candidates it was: another one has to be tested and published, even if nothing else changed."""
WHOLE_PROJECT = frozenset({INPUTS, "code", SETTINGS})
"""What all models are built from; every other name in a marker is that of a model, or `tests`."""
FULL_REFRESH = "--full-refresh"
TOUCHED_ONLY = {"touched_only": True}
"""The variables of a test that looks only at touched rows."""

Variables = Mapping[str, object]


def choose_run_options(before: BuiltFrom | None, now: BuiltFrom) -> list[str]:
    """The options of `dbt run`: only rows changed: everything but views, incrementally; some models changed: these and
    what depends on them, from scratch; otherwise all models from scratch."""
    names = _name_changes(before, now)
    if only_rows_changed(before, now):
        return ["--exclude", "config.materialized:view"]
    if names & WHOLE_PROJECT:
        return [FULL_REFRESH]
    return [FULL_REFRESH, *_select_with_children(names)]


def choose_test_options(
    before: BuiltFrom | None, now: BuiltFrom, everything_touched: bool
) -> tuple[list[str], Variables]:
    """The options and variables of `dbt test`: all tests, or only those that a changed model reaches.

    If only rows changed, tests of single rows skip those published before, unless everything was touched.
    """
    names = _name_changes(before, now)
    if only_rows_changed(before, now):
        return [], {} if everything_touched else TOUCHED_ONLY
    if names & {*WHOLE_PROJECT, "tests"}:
        return [], {}
    return _select_with_children(names), {}


def only_rows_changed(before: BuiltFrom | None, now: BuiltFrom) -> bool:
    """Whether a target was built by the same code from other rows."""
    return _name_changes(before, now) == {INPUTS}


def _name_changes(before: BuiltFrom | None, now: BuiltFrom) -> set[str]:
    """What changed, but for the build: where that is all, as if rows had changed."""
    names = set(list_changes(before or {}, now))
    return {INPUTS} if names == {BUILD} else names - {BUILD}


def _select_with_children(names: set[str]) -> list[str]:
    return ["--select", *(f"{name}+" for name in sorted(names))]
