"""What is wrong with settings, said with the section and key of each."""

import configparser
import re
from typing import Any

import luigi
from luigi.configuration.cfg_parser import LuigiConfigParser

from luigi_tasks.errors import PipelineError

SET = re.compile(r" (from|Choices:) \{.*\}")
"""The choices that Luigi shows, in an order that changes from run to run: the descriptions name them all."""


def require_valid_setting(section: type[luigi.Config], key: str, parameter: Any) -> None:
    """Raise PipelineError, with what was found and what is expected, where the value of a setting is invalid."""
    family = section.get_task_family()
    try:
        parameter.task_value(family, key)
    except (ValueError, KeyError, configparser.Error, luigi.parameter.ParameterException) as error:
        said = SET.sub("", str(error))
        expected = SET.sub("", parameter.description).replace(" permitted values:", ",")
        raise PipelineError(
            f"luigi.cfg, section [{family}], key {key}: cannot be read ({said}); expected: {expected}"
        ) from error


def list_faults(*sections: type[luigi.Config]) -> dict[tuple[str, str], str]:
    """What is wrong with each setting of some sections that is invalid, by section and key."""
    faults = {}
    for section in sections:
        for key, parameter in section.get_params():
            try:
                require_valid_setting(section, key, parameter)
            except PipelineError as error:
                faults[section.get_task_family(), key] = str(error)
    return faults


def require_valid_settings(*sections: type[luigi.Config]) -> None:
    """Raise PipelineError naming each setting of some sections that is invalid.

    From then on it has its default: the end of the run, which such a setting may be about, is recorded and told.
    """
    faults = list_faults(*sections)
    for family, key in faults:
        for written in (key, key.replace("_", "-")):
            LuigiConfigParser.instance().remove_option(family, written)
    if faults:
        raise PipelineError("; ".join(faults.values()))
