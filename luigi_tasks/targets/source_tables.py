"""Source tables: the TOML files that say what exports look like, those that come along and those of this project."""

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from luigi_tasks import config, fingerprints
from luigi_tasks.errors import PipelineError
from luigi_tasks.targets import landing_objects
from spark_jobs.messages import FileFault
from spark_jobs.sources.catalog import SUFFIX, TableError, compile_source, list_tables, read_tables
from spark_jobs.storage import Location

DECISION = "_source.toml"
"""A file in the folder of a batch that names its source, where its files do not tell."""


@cache
def read_own_tables() -> dict[str, str]:
    """Return the texts of this project's own tables by name, once a process: they do not change during a run.

    Raises PipelineError where the folder or a table cannot be read, or a table has faults.
    """
    folder = find_folder()
    if folder is None:
        return {}
    try:
        tables = read_tables(folder)
    except (OSError, UnicodeDecodeError) as error:
        raise PipelineError(f"folder of sources {folder}: cannot be read ({error}); fix [sources] tables") from error
    for name, text in tables.items():
        try:
            compile_source(name, text)
        except TableError as error:
            raise PipelineError(f"{folder / name}{SUFFIX}: {error}; fix the table") from error
    return tables


def find_folder() -> Path | None:
    """Return the folder of this project's own tables, None where none is set."""
    folder = config.read_section(config.sources).tables
    return Path(folder).absolute() if folder else None


@dataclass(frozen=True)
class Decision:
    """The source that a batch is of, where somebody decided it ("": what each file looks like), or what is wrong with
    the file that says so."""

    source: str = ""
    fault: FileFault | None = None


def read_decision(entry: Location | None) -> Decision:
    """Return what the file _source.toml in the folder of a batch decides."""
    path = entry / DECISION if entry is not None else None
    if path is None or not _is_there(path):
        return Decision()
    try:
        found = tomllib.loads(path.read_bytes().decode("utf-8-sig"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        return Decision(fault=FileFault(DECISION, None, f"cannot be read ({error})"))
    if found.keys() != {"source"} or not isinstance(found["source"], str):
        return Decision(fault=FileFault(DECISION, None, 'expected one line: source = "NAME"'))
    return Decision(found["source"])


def _is_there(path: Location) -> bool:
    return path.is_file() if isinstance(path, Path) else path in landing_objects.list_objects_once(path.parent.parent)


@cache
def fingerprint_tables() -> str:
    """Return the fingerprint of all tables: another one can change what any file is."""
    return fingerprints.of_value({**list_tables(), **read_own_tables()})
