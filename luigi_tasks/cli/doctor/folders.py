"""The doctor's checks of folders: whether they can be read and written, have room, and hold no dates of the future."""

import os
import shutil
import stat
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from luigi_tasks import config, file_modes, paths, warehouse
from luigi_tasks.cli.doctor.check import OK, WARN, Result
from luigi_tasks.errors import PipelineError
from luigi_tasks.targets import landing
from luigi_tasks.texts import count
from spark_jobs.storage import ObjectPath

STAGES_WITH_CHECKPOINTS = ("extract", "clean", "audit")
WAREHOUSE_BYTES_PER_EXPORT_BYTE = 4
"""Bytes of the embedded warehouse for each byte of plain exports: tables, indexes, marts, and the server's own log."""
LEAST_INODES = 10_000
"""Files: an empty embedded warehouse has some 1,500, a batch leaves some 20, a run 30."""
SECONDS_AHEAD = 60
"""Seconds that the date of a file may lie in the future: clocks of file servers differ a little."""


def check_landing() -> Result:
    """How many batches the landing folder holds, and whether all their files can be read."""
    batches = landing.list_batches()
    files = [file for batch in batches for file in landing.list_files(batch, at_first=True)]
    faults = [(file.path, fault) for file in files if (fault := _find_fault(file))]
    if faults:
        path, fault = faults[0]
        return Result(
            WARN,
            f"{paths.landing()}: {len(faults):,} of {len(files):,} files cannot be read, such as {path} ({fault}); "
            "their batches are refused until they can",
        )
    return Result(OK, f"{paths.landing()}, {count(len(batches), 'batch', 'batches')}, {count(len(files), 'file')}")


def _find_fault(file: landing.LandingFile) -> str | None:
    is_readable = not isinstance(file.path, Path) or os.access(file.path, os.R_OK)
    return file.fault or (None if is_readable else "no right to read it")


def check_checkpoints() -> Result:
    """Whether the checkpoints folder can be written to and lies on one file system, or a store can be used for it."""
    folder = paths.checkpoints()
    if isinstance(folder, ObjectPath):
        local = require_writable(paths.local_state(), "[checkpoints] local_folder")
        return Result(OK, f"{_require_usable(folder, '[checkpoints] folder')}; {local}")
    found = require_writable(folder, "[checkpoints] folder")
    for place in (paths.staging(), *(folder / name for name in STAGES_WITH_CHECKPOINTS)):
        if place.exists() and place.stat().st_dev != folder.stat().st_dev:
            raise PipelineError(
                f"checkpoints folder {folder}: {place} lies on another file system, and checkpoints "
                "appear by a rename, which needs one; make it a plain folder"
            )
    return Result(OK, found)


def _require_usable(folder: ObjectPath, setting: str) -> str:
    """Write, list and delete an object below a folder of a store. Returns what to say of it.

    Raises PipelineError where one of that cannot be done.
    """
    probe = folder / f".doctor-{uuid.uuid4().hex}"
    try:
        probe.write_bytes(b"")
        list(folder.iterdir())
        probe.unlink()
    except OSError as error:
        raise PipelineError(
            f"{folder}: objects have to be written, listed and deleted there ({error.strerror}); correct the bucket, "
            f"[storage], the credentials or their rights, or set {setting} elsewhere"
        ) from error
    return f"{folder}, writable"


def check_logs() -> Result:
    """Whether the folder of logs can be written to."""
    return Result(OK, require_writable(paths.logs(), "[logs] folder"))


def check_export() -> Result:
    """Whether the folder of the export, where there is one, can be written to."""
    folder = paths.export()
    if folder is None:
        return Result(OK, "off: [export] folder is empty")
    if isinstance(folder, Path):
        return Result(OK, require_writable(folder, "[export] folder"))
    return Result(OK, _require_usable(folder, "[export] folder"))


def check_file_modes() -> Result:
    """Whether others can read what runs have left, or write to the landing folder."""
    faults = [fault for place in file_modes.list_places() if (fault := file_modes.find_fault(place))]
    folder = paths.landing()
    exports = folder.stat().st_mode if isinstance(folder, Path) else 0  # of a store, its own policies say it
    if exports & stat.S_IWOTH:
        faults.append(f"{paths.landing()} can be written to by all users, who could put exports there: chmod o-w it")
    if faults:
        return Result(WARN, "; ".join(faults))
    group = config.read_section(config.files).shared_group
    found = f"for this account{f' and the group {group}' if group else ' alone'}"
    if exports & stat.S_IROTH:
        return Result(OK, f"{found}; but all users can read the exports in {paths.landing()}")
    return Result(OK, found)


def check_free_space() -> Result:
    """Whether all exports have room: once for the checkpoints, several times for the embedded warehouse."""
    files = [file for batch in landing.list_batches() for file in landing.list_files(batch, at_first=True)]
    exported = sum(file.status.size for file in files if file.status)
    checkpoints = paths.checkpoints()
    needed = {checkpoints: exported} if isinstance(checkpoints, Path) else {paths.local_state(): 0}
    if not warehouse.is_external():
        needed[warehouse.find_embedded_home() or paths.embedded_postgres()] = exported * WAREHOUSE_BYTES_PER_EXPORT_BYTE
    disks: dict[int, list[Path]] = {}
    for place in needed:
        disks.setdefault(_find_existing(place).stat().st_dev, []).append(place)
    found = []
    for places in disks.values():
        free, wanted = shutil.disk_usage(_find_existing(places[0])).free, sum(needed[place] for place in places)
        found.append(f"{_in_megabytes(free)} free for {' and '.join(map(str, places))}")
        if free < wanted:
            return Result(WARN, f"{found[-1]}, {_in_megabytes(wanted)} may be needed for {paths.landing()}; make room")
    if short := _find_disk_without_inodes([*needed, paths.logs()]):
        return Result(WARN, short)
    return Result(OK, f"{', '.join(found)}; {_in_megabytes(exported)} in the landing folder")


def _find_disk_without_inodes(places: list[Path]) -> str | None:
    """A sentence on the first place whose disk takes no more than some files, whatever their size."""
    for place in places:
        disk = os.statvfs(_find_existing(place))
        if disk.f_files and disk.f_favail < LEAST_INODES:  # some file systems count none
            return f"{disk.f_favail:,} inodes free for {place}, {LEAST_INODES:,} may be needed; delete files there"
    return None


def _in_megabytes(bytes_: int) -> str:
    return f"{bytes_ / 1e6:,.0f} MB"


def check_dates() -> Result:
    """Whether anything that runs left is dated in the future, as after a clock was set back."""
    newest, path = max(_list_dates(), default=(0.0, None))
    if newest > time.time() + SECONDS_AHEAD:
        return Result(WARN, f"{path} is dated in the future: was the clock set back? Set it right")
    return Result(OK, "nothing that runs left is dated in the future")


def _list_dates() -> Iterator[tuple[float, Path]]:
    """When each manifest of a checkpoint and each folder of a run was written, in seconds since 1970."""
    for found in (paths.local_state().glob(f"*/*/{paths.MANIFEST}"), paths.logs().glob("*")):
        for path in found:
            with suppress(FileNotFoundError):  # a run may be replacing it
                yield path.stat().st_mtime, path


def require_writable(folder: Path, setting: str) -> str:
    """Write and remove a file in a folder, or in the nearest one above it that exists. Returns what to say of it.

    Raises PipelineError, which names the setting to change, where no file can be written.
    """
    place = _find_existing(folder)
    try:
        with tempfile.NamedTemporaryFile(dir=place, prefix=".doctor-"):
            pass
    except OSError as error:
        raise PipelineError(
            f"{folder}: no file can be made in {place} ({error.strerror}); make it writable, or set {setting} elsewhere"
        ) from error
    return f"{folder}, writable" if folder == place else f"{folder}, created by the first run"


def _find_existing(folder: Path) -> Path:
    """A folder, or the nearest one above it that exists."""
    return next(place for place in (folder, *folder.parents) if place.exists())
