"""Catalog: all sources, ours and those of a project; what the Luigi side needs to know of them.

Pure Python, without Spark.
"""

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path

from spark_jobs.sources.errors import TableError
from spark_jobs.sources.source import Source
from spark_jobs.sources.tables import compile_source

__all__ = ["SUFFIX", "Source", "TableError", "compile_source", "list_sources", "list_tables", "read_tables"]

SUFFIX = ".toml"


@cache
def list_tables() -> dict[str, str]:
    """The texts of our own tables by name."""
    folder = files("spark_jobs.sources") / "formats"
    found = {each.name.removesuffix(SUFFIX): each for each in folder.iterdir() if each.name.endswith(SUFFIX)}
    return {name: found[name].read_text("utf-8") for name in sorted(found)}


def read_tables(folder: Path) -> dict[str, str]:
    """The texts of a project's own tables by name. Raises OSError, UnicodeDecodeError."""
    found = [path for path in sorted(folder.iterdir()) if path.suffix == SUFFIX and not path.name.startswith(".")]
    return {path.stem: path.read_text(encoding="utf-8-sig") for path in found}


def list_sources(own_tables: Mapping[str, str]) -> tuple[Source, ...]:
    """All sources by the order of their names; a project's own table goes before ours of the same name."""
    tables = {**list_tables(), **own_tables}
    return tuple(compile_source(name, text) for name, text in sorted(tables.items()))
