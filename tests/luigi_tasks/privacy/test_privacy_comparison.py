"""The map of personal data has every column and every folder that there is, and no other.

tests/end_to_end/test_reruns.py compares it with the catalogue after a run.
"""

import dataclasses

import pytest
import yaml

from luigi_tasks import config, paths
from luigi_tasks.privacy.comparison import Differences, compare_columns
from luigi_tasks.privacy.map_file import read_map
from luigi_tasks.warehouse.schema_names import (
    CANDIDATES,
    CORE,
    INTERMEDIATE,
    LUIGI_HISTORY,
    MARTS,
    MARTS_PERSONAL,
    OPEN,
    RAW_DATA,
    SCHEMAS,
    STAGING,
)
from spark_jobs.schemas import TABLES

FOLDERS_OF_MODELS = {
    STAGING: ["staging"],
    CORE: ["core"],
    INTERMEDIATE: ["intermediate"],
    CANDIDATES: ["marts", "open"],
    MARTS: ["marts"],
    MARTS_PERSONAL: ["marts"],
    OPEN: ["open"],
}
"""By schema, the folders of the models whose columns it has. (`published` has those of three, not all.)"""
MAP = read_map()


def list_described_columns(folders: list[str]) -> dict[str, list[str]]:
    """The columns that the yml beside each model of some folders describes, by model."""
    found = {}
    models = paths.PROJECT / "dbt_project/models"
    for path in (path for folder in folders for path in (models / folder).glob("[!_]*.yml")):
        for model in yaml.safe_load(path.read_text(encoding="utf-8"))["models"]:
            found[model["name"]] = [column["name"] for column in model["columns"]]
    return found


def test_map__has_the_columns_of_raw_data():
    assert compare_columns(MAP, {RAW_DATA: TABLES}) == Differences()


@pytest.mark.parametrize("schema", FOLDERS_OF_MODELS)
def test_map__has_the_columns_of_the_models(schema):
    existing = {schema: list_described_columns(FOLDERS_OF_MODELS[schema])}
    assert len(existing[schema]) >= 4
    assert compare_columns(MAP, existing) == Differences()


@pytest.mark.filterwarnings("ignore:The ``declarative_base")  # Luigi's own
def test_map__has_the_columns_of_luigis_history():
    from luigi.db_task_history import Base

    tables = {table.name: [column.name for column in table.columns] for table in Base.metadata.sorted_tables}
    assert compare_columns(MAP, {LUIGI_HISTORY: tables}) == Differences()


def test_map__has_no_other_schema():
    assert {column.schema for column in MAP.columns} == {*SCHEMAS, LUIGI_HISTORY}


def test_map__has_every_folder_that_a_setting_names():
    settings = {
        f"{section.get_task_family()}.{key}"
        for section in config.SECTIONS
        for key, _ in section.get_params()
        if key.endswith("folder")
    }
    assert {folder.name.partition("/")[0] for folder in MAP.folders} == settings


def test_compare__names_what_either_side_lacks():
    others = dataclasses.replace(MAP, columns=[each for each in MAP.columns if each.name != "email"])
    new_table = {**TABLES, "likes": {"user_id": "text"}}
    assert compare_columns(others, {RAW_DATA: new_table}).missing == ("raw_data.likes.user_id", "raw_data.users.email")
    users = {name: type_ for name, type_ in TABLES["users"].items() if name != "email"}
    assert compare_columns(MAP, {RAW_DATA: {**TABLES, "users": users}}).gone == ("raw_data.users.email",)
    assert len(compare_columns(MAP, {RAW_DATA: {}}).gone) == sum(map(len, TABLES.values()))
