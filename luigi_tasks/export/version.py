"""Versions of the export: all marts of one moment in a folder of their own, and the manifest that names the latest.

    FOLDER/versions/RUN-…/MART/part-0.parquet   the current version, and the one before it
    FOLDER/latest/MART/part-0.parquet           the current version, always at the same place
    FOLDER/manifest.json                        which version is current: written last, at once

A version never changes. The one before it is deleted when the next one begins, so that who reads it can finish; at
once, if it is of another schema: that one may be for other readers.
"""

import re
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from psycopg2.extensions import cursor as Cursor

from luigi_tasks import config, fingerprints, paths, run_id, warehouse
from luigi_tasks.errors import PipelineError
from luigi_tasks.export import lake
from luigi_tasks.export.mart_files import ExportedFile, write_mart
from luigi_tasks.targets.built_from import BuiltFrom
from luigi_tasks.warehouse import ownership
from spark_jobs.messages import MessageError, from_json, to_json
from spark_jobs.storage import Location

VERSIONS, LATEST = "versions", "latest"
"""Folders of the export."""
VERSION = re.compile(r".+-[0-9a-f]{8}")
"""What the name of a version's folder looks like: others in `versions` are not ours."""
PART = re.compile(r"[^/]+/part-\d+\.parquet")
"""The same of a file in `latest`."""
PUBLISHED = """
select
    md5((to_jsonb(marker) - 'inserted')::text), to_char(inserted, 'YYYY-MM-DD"T"HH24:MI:SS"Z"')
from etl.table_updates as marker where target_table = 'marts' and batch = ''
"""

OnProgress = Callable[[int, int, str], None]
"""Called with the number of marts done, the number of all marts, and the status in words."""


@dataclass(frozen=True)
class ExportManifest:
    """What an export says of itself: the run that wrote it, when its marts were published (UTC), the folder of its
    version, the files of each mart, and what it was built from."""

    run: str
    published: str
    version: str
    marts: Mapping[str, Sequence[ExportedFile]]
    built_from: BuiltFrom


def read_built_from(cursor: Cursor) -> BuiltFrom:
    """Return fingerprints of what an export would be built from now; the marts' is empty if none are published."""
    cursor.execute("select to_regclass('etl.table_updates') is not null")
    published, _ = _read_marker(cursor) if cursor.fetchone() == (True,) else ("", "")
    return {"marts": published, "code": fingerprints.of_modules(*paths.EXPORT_CODE), "schema": _read_schema()}


def _read_schema() -> str:
    """The schema whose marts are exported."""
    return config.read_section(config.export).schema


def read_manifest(folder: Location) -> ExportManifest | None:
    """Return the manifest of an export; None where there is none that can be understood. Raises OSError where its file
    cannot be read."""
    with suppress(FileNotFoundError, MessageError):
        return from_json(ExportManifest, (folder / paths.MANIFEST).read_bytes())
    return None


def write_export(folder: Location, on_progress: OnProgress) -> int:
    """Export what is published now, and return the number of rows.

    Raises PipelineError if no marts are published, or the folder cannot be written: the export before then stays.
    """
    try:
        before = read_manifest(folder)
        manifest = warehouse.retry_transaction("Export", partial(_write_version, folder, before, on_progress))
        _show_latest(folder, manifest)
        lake.write_text(folder / paths.MANIFEST, to_json(manifest, indent=1))
        if before and before.built_from.get("schema") != manifest.built_from["schema"]:
            _delete_versions(folder, keep=manifest.version)
    except OSError as error:
        raise PipelineError(
            f"{folder}: the marts cannot be exported there ({error.strerror or error}); they are published, and "
            "what was exported before stays; make the folder writable, or set [export] folder elsewhere, and run again"
        ) from error
    return sum(file.rows for files in manifest.marts.values() for file in files)


def _write_version(folder: Location, before: ExportManifest | None, on_progress: OnProgress) -> ExportManifest:
    """Write all marts, as they are in one snapshot of the warehouse, to the folder of a new version."""
    _delete_versions(folder, keep=before.version if before else "")
    run = run_id.get_run_id()
    version = f"{VERSIONS}/{run}-{uuid.uuid4().hex[:8]}"
    with warehouse.transaction() as cursor:
        cursor.execute("set transaction isolation level repeatable read, read only")
        built_from = read_built_from(cursor)
        if not built_from["marts"]:
            raise PipelineError("warehouse: no marts are published yet; run the pipeline first")
        schema = built_from["schema"]
        _, published = _read_marker(cursor)
        names = ownership.list_ours(cursor, schema)
        marts = {}
        for number, name in enumerate(names):
            on_progress(number, len(names), f"{number:,} of {len(names):,} marts, {name} is next")
            marts[name] = write_mart(cursor, schema, name, folder / version)
    return ExportManifest(run, published, version, marts, built_from)


def _read_marker(cursor: Cursor) -> tuple[str, str]:
    """The fingerprint of what is published, and when it was; empty if nothing is."""
    cursor.execute(PUBLISHED)
    return next(iter(cursor.fetchall()), ("", ""))


def _delete_versions(folder: Location, keep: str) -> None:
    """Delete all versions but one, with what failed and killed runs left."""
    for name in lake.list_names(folder / VERSIONS):
        if VERSION.fullmatch(name) and f"{VERSIONS}/{name}" != keep:
            lake.delete_folder(folder / VERSIONS / name)


def _show_latest(folder: Location, manifest: ExportManifest) -> None:
    """Have `latest` hold the files of a version, one after the other, and no others."""
    current = [file.path for files in manifest.marts.values() for file in files]
    for path in current:
        lake.replace_by_copy(folder / manifest.version / path, folder / LATEST / path)
    for path in lake.list_sizes(folder / LATEST):
        if PART.fullmatch(path) and path not in current:
            lake.delete_file(folder / LATEST / path)
