"""The files that settings stand in.

A project's own settings stand in luigi.local.cfg, which goes before luigi.cfg key by key, and which git ignores.
"""

import configparser
import os
from pathlib import Path

import luigi
from luigi.configuration.cfg_parser import LuigiConfigParser

SETTINGS, LOCAL_SETTINGS = "luigi.cfg", "luigi.local.cfg"
"""Files in the current folder: the settings of the repository, and those of this project."""
CONFIG_PATH = "LUIGI_CONFIG_PATH"
"""Environment variable: another file of settings, which goes before those in the current folder."""


def add_local_settings() -> None:
    """Have Luigi read luigi.local.cfg right after the luigi.cfg beside it: in the current folder, and in that of the
    file that LUIGI_CONFIG_PATH names.

    Exits where one cannot be read: Luigi would pass over it, and run with other settings.
    """
    files = LuigiConfigParser._config_paths
    if LOCAL_SETTINGS in files:
        return
    files.insert(files.index(SETTINGS) + 1, LOCAL_SETTINGS)
    named = os.environ.get(CONFIG_PATH)
    if named:
        files.append(str(Path(named).with_name(LOCAL_SETTINGS)))
    for file in files:
        _require_readable(Path(file))
    LuigiConfigParser.reload()


def _require_readable(file: Path) -> None:
    try:
        if file.name == LOCAL_SETTINGS and os.path.lexists(file):
            configparser.RawConfigParser().read_string(file.read_text(encoding="utf-8"), str(file))
    except (OSError, ValueError, configparser.Error) as error:
        raise SystemExit(f"{file}: cannot be read ({' '.join(str(error).split())}); fix it") from None


def list_files() -> list[str]:
    """Return the files that Luigi took settings from, later ones over earlier ones."""
    return [path for path in LuigiConfigParser._config_paths if Path(path).exists()]


def require_project() -> None:
    """Exit where no file of settings with a section [retcode] is in the current folder or named by LUIGI_CONFIG_PATH.

    Without it Luigi ends failed runs with exit code 0, and data/ would be made in a folder that is none of a project.
    One in /etc is about no project in particular.
    """
    is_project = any(not file.startswith("/etc/luigi/") for file in list_files())
    if not is_project or not luigi.configuration.get_config().has_section("retcode"):
        raise SystemExit(
            f"luigi.cfg: none with a section [retcode] is in {Path.cwd()}; go to the folder that has it, "
            "or set LUIGI_CONFIG_PATH"
        )
