"""The doctor's checks of the folders: whether they can be read and written, and whether there is room."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from luigi_tasks import landing, paths, warehouse
from luigi_tasks.checks import OK, WARN, Result
from luigi_tasks.errors import PipelineError

BUILT = ("extract", "clean", "audit")


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
    return Result(OK, f"{paths.landing()}, {len(landing.batches()):,} batches, {len(files):,} files")


def _landing_files() -> Iterator[Path]:
    for batch in landing.batches():
        yield from landing.files(batch).values()


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
    """Whether there is as much free as the exports take, for the checkpoints and for the embedded warehouse."""
    needed = sum(size for batch in landing.batches() for size, _ in landing.stand(batch).values())
    places = [paths.checkpoints()]
    if not warehouse.is_named():
        places.append(warehouse.embedded_home() or paths.embedded_postgres())
    free = {place: shutil.disk_usage(_nearest(place)).free for place in places}
    said = ", ".join(f"{_size(bytes_)} free for {place}" for place, bytes_ in free.items())
    if min(free.values()) < needed:
        return Result(WARN, f"{said}, less than the {_size(needed)} in the landing folder; make room")
    return Result(OK, f"{said}; {_size(needed)} in the landing folder")


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
