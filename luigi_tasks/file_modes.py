"""Who may read what the pipeline leaves: its own account, and the group of [files] shared_group, where one is named.

The umask decides for every file, folder and socket that this process and its children make, whatever the shell's was.
A folder for the shared group also has the bit that hands its group on to what is made in it.
"""

import contextlib
import grp
import os
import stat
from functools import cache
from pathlib import Path

from luigi_tasks import config, paths
from luigi_tasks.errors import PipelineError

PRIVATE_UMASK = 0o077
SHARED_UMASK = 0o007
"""The group may write, too: the workers of a Spark cluster build checkpoints as their own account."""

PROGRAM_MODE = 0o644
"""Of files that belong to the installed program: they hold nothing of anybody, and other accounts may use them."""


def is_shared() -> bool:
    """Whether a group is named that has a share in the files."""
    return bool(config.read_section(config.files).shared_group)


def get_umask() -> int:
    """The permissions that no new file has."""
    return SHARED_UMASK if is_shared() else PRIVATE_UMASK


def get_mode(path: Path) -> int:
    """The mode of a file, or of a folder, that the pipeline leaves."""
    if not path.is_dir():
        return 0o666 & ~get_umask()
    return 0o2770 if is_shared() else 0o700


def restrict_new_files() -> None:
    """Keep others out of what this process and its children make from now on."""
    os.umask(get_umask())


@cache
def find_shared_group() -> int | None:
    """The id of the shared group, or None. Raises PipelineError where it does not exist or is not this account's."""
    name = config.read_section(config.files).shared_group
    if not name:
        return None
    try:
        group = grp.getgrnam(name).gr_gid
    except KeyError:
        raise PipelineError(
            f"luigi.cfg, section [files], key shared_group: there is no group {name!r}; create it, or leave the key "
            "empty"
        ) from None
    if os.geteuid() != 0 and group not in (os.getegid(), *os.getgroups()):
        raise PipelineError(
            f"luigi.cfg, section [files], key shared_group: this account is not a member of the group {name!r}; "
            "add it to the group and log in again"
        )
    return group


def restrict_file(descriptor: int) -> None:
    """Give an open file the mode of a new one, and the shared group."""
    group = find_shared_group()
    if group is not None:
        os.fchown(descriptor, -1, group)
    os.fchmod(descriptor, 0o666 & ~get_umask())


def make_program_folder(folder: Path) -> None:
    """Make a folder of the installed program, with those above it that are missing, for all accounts to read."""
    for missing in reversed([path for path in (folder, *folder.parents) if not path.exists()]):
        missing.mkdir(exist_ok=True)
        missing.chmod(0o755)


def list_places() -> list[Path]:
    """What holds personal data that runs have written: folders, and the pages, whose folders may hold other things.

    The embedded server has an account of its own: see warehouse/embedded.
    """
    exported = paths.export()
    places = [paths.local_state(), paths.logs(), paths.report(), paths.docs()]
    return [*places, exported] if isinstance(exported, Path) else places


def prepare_places() -> None:
    """Make the folders that runs write to, and restrict what is there and open to others.

    Of folders that exist only those below the current one are restricted: one elsewhere may hold what is not ours, and
    `socialmart doctor` names it. What cannot be changed stays as it is.
    """
    find_shared_group()
    for place in list_places():
        is_page = place in (paths.report(), paths.docs())
        folder = place.parent if is_page else place
        with contextlib.suppress(OSError):  # the stage that needs the folder says what is wrong with it
            if not folder.exists():
                folder.mkdir(parents=True)
                _restrict(folder, get_mode(folder))
            elif find_fault(folder) and Path.cwd() in folder.resolve().parents:
                _restrict_tree(folder)
            if is_page and find_fault(place):
                _restrict(place, get_mode(place))


def find_fault(place: Path) -> str | None:
    """What is wrong with the rights of a file or folder, and how to correct it, in words; None if all is right."""
    try:
        status = place.stat()
    except FileNotFoundError:
        return None
    mode, wanted, group = stat.S_IMODE(status.st_mode), get_mode(place), find_shared_group()
    if group is None:
        is_open = mode & PRIVATE_UMASK
        return f"{place} (mode {mode:04o}) is open to other users: chmod {wanted:o} {place}" if is_open else None
    if status.st_gid == group and mode == wanted:
        return None
    name = config.read_section(config.files).shared_group
    advice = f"chgrp -R {name} {place} && chmod -R u=rwX,g=rwX,o= {place}"
    if place.is_dir():
        advice += f" && find {place} -type d -exec chmod g+s {{}} +"
    return f"{place} (mode {mode:04o}) is not set up for the group {name}: {advice}"


def _restrict_tree(folder: Path) -> None:
    """Restrict all that is in a folder, and the folder last: where that was interrupted, the next run goes on."""
    for parent, _, files in os.walk(folder, topdown=False):
        for path in (*(Path(parent, name) for name in files), Path(parent)):
            with contextlib.suppress(OSError):  # another account's, or gone
                if not path.is_symlink():
                    _restrict(path, get_mode(path) | path.stat().st_mode & 0o100)


def _restrict(path: Path, mode: int) -> None:
    group = find_shared_group()
    if group is not None:
        os.chown(path, -1, group)
    path.chmod(mode)
