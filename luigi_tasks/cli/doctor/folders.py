"""The doctor's checks of the folders: whether they can be read and written, and whether there is room."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from luigi_tasks import paths, warehouse
from luigi_tasks.cli.doctor.check import OK, WARN, Result
from luigi_tasks.errors import PipelineError
from luigi_tasks.targets import landing

BUILT = ("extract", "clean", "audit")
WAREHOUSE_TO_EXPORTS = 4
"""So many times the size of plain exports: tables, indexes, what is published, and the server's own log."""


def landing_folder() -> Result:
    """How many batches there are, and whether all can be read."""
    files = list(_landing_files())
    unreadable = [path for path in files if not os.access(path, os.R_OK)]
    if unreadable:
        return Result(
            WARN,
            f"{paths.landing()}: {len(unreadable):,} of {len(files):,} files cannot be read, such as {unreadable[0]}; "
            "their batches are refused until they can",
        )
    return Result(OK, f"{paths.landing()}, {len(landing.list_batches()):,} batches, {len(files):,} files")


def _landing_files() -> Iterator[Path]:
    for batch in landing.list_batches():
        yield from landing.list_source_files(batch).values()


def checkpoints_folder() -> Result:
    """Whether it can be written to and lies on one file system."""
    said = try_to_write(paths.checkpoints(), "[checkpoints] folder")
    for place in (paths.staging(), *(paths.checkpoints() / name for name in BUILT)):
        if place.exists() and place.stat().st_dev != paths.checkpoints().stat().st_dev:
            raise PipelineError(
                f"checkpoints folder {paths.checkpoints()}: {place} lies on another file system, and checkpoints "
                "appear by a rename, which needs one; make it a plain folder"
            )
    return Result(OK, said)


def logs_folder() -> Result:
    """Whether it can be written to."""
    return Result(OK, try_to_write(paths.logs(), "[logs] folder"))


def free_space() -> Result:
    """Whether there is room for all exports: once for the checkpoints, several times for the embedded warehouse."""
    exported = sum(size for batch in landing.list_batches() for size, _ in landing.stat_files(batch).values())
    needed = {paths.checkpoints(): exported}
    if not warehouse.is_external():
        needed[warehouse.find_embedded_home() or paths.embedded_postgres()] = exported * WAREHOUSE_TO_EXPORTS
    disks: dict[int, list[Path]] = {}
    for place in needed:
        disks.setdefault(_nearest(place).stat().st_dev, []).append(place)
    said = []
    for places in disks.values():
        free, wanted = shutil.disk_usage(_nearest(places[0])).free, sum(needed[place] for place in places)
        said.append(f"{_size(free)} free for {' and '.join(map(str, places))}")
        if free < wanted:
            return Result(WARN, f"{said[-1]}, {_size(wanted)} may be needed for {paths.landing()}; make room")
    return Result(OK, f"{', '.join(said)}; {_size(exported)} in the landing folder")


def _size(bytes_: int) -> str:
    return f"{bytes_ / 1e6:,.0f} MB"


def try_to_write(folder: Path, setting: str) -> str:
    """Make a file in a folder, or where that will be made, and remove it. Returns what to say of the folder."""
    place = _nearest(folder)
    try:
        with tempfile.NamedTemporaryFile(dir=place, prefix=".doctor-"):
            pass
    except OSError as error:
        raise PipelineError(
            f"{folder}: no file can be made in {place} ({error.strerror}); make it writable, or set {setting} elsewhere"
        ) from error
    return f"{folder}, writable" if folder == place else f"{folder}, is made by the first run"


def _nearest(folder: Path) -> Path:
    """A folder, or the nearest above it that is there."""
    return next(place for place in (folder, *folder.parents) if place.exists())
