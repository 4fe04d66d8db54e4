"""Compares the map of personal data with the columns that there are."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from luigi_tasks.privacy.privacy_map import PrivacyMap


@dataclass(frozen=True)
class Differences:
    """Columns, as SCHEMA.TABLE.COLUMN: those that the map lacks, and those that only the map has."""

    missing: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()


def compare_columns(privacy_map: PrivacyMap, existing: Mapping[str, Mapping[str, Collection[str]]]) -> Differences:
    """Return what the map lacks, and what it has too much, within the schemas that `existing` names.

    `existing`: the columns that there are, by schema and table.
    """
    mapped = {
        f"{column.schema}.{column.table}.{column.name}" for column in privacy_map.columns if column.schema in existing
    }
    found = {
        f"{schema}.{table}.{column}"
        for schema, tables in existing.items()
        for table, columns in tables.items()
        for column in columns
    }
    return Differences(tuple(sorted(found - mapped)), tuple(sorted(mapped - found)))
