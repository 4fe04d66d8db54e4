"""What dbt has to build and to test, by what has changed since it was built or tested last."""

from luigi_tasks.targets.built_from import BuiltFrom, list_changes

INPUTS = "inputs"
FULL_REFRESH = "--full-refresh"
TOUCHED_ONLY = ["--vars", "{touched_only: true}"]


def refresh(before: BuiltFrom | None, now: BuiltFrom) -> list[str]:
    """How dbt has to run: where only rows were loaded, views are as they were; else all models are built anew, or
    those that changed and what depends on them."""
    names = _changed(before, now)
    if only_rows_changed(before, now):
        return ["--exclude", "config.materialized:view"]
    if names & {INPUTS, "code"}:
        return [FULL_REFRESH]
    return [FULL_REFRESH, "--select", *(f"{name}+" for name in sorted(names))]


def to_test(before: BuiltFrom | None, now: BuiltFrom, everything: bool) -> list[str]:
    """What dbt has to test: all, or what a changed model reaches.

    Tests that look at single rows need not look at those that were published before, unless `everything` was touched.
    """
    names = _changed(before, now)
    if only_rows_changed(before, now):
        return [] if everything else TOUCHED_ONLY
    if names & {INPUTS, "code", "tests"}:
        return []
    return ["--select", *(f"{name}+" for name in sorted(names))]


def only_rows_changed(before: BuiltFrom | None, now: BuiltFrom) -> bool:
    """Whether a target was built by the same code from other rows."""
    return _changed(before, now) == {INPUTS}


def _changed(before: BuiltFrom | None, now: BuiltFrom) -> set[str]:
    return set(list_changes(before or {}, now))
