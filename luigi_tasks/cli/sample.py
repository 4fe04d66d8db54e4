"""Puts the sample into an empty landing folder, for a first run to have something to show."""

import shutil
from pathlib import Path

from luigi_tasks import paths, warehouse
from luigi_tasks.cli.output import print_to_stderr
from luigi_tasks.errors import PipelineError
from luigi_tasks.targets import checkpoint
from spark_jobs.schemas import TABLES

SAMPLE = paths.PROJECT / "data" / "sample"
WAS_LOADED = """
select
    exists (select from etl.table_updates where starts_with(target_table, 'raw_data.'))
    or exists (select from etl.stages where starts_with(stage, 'Load '))
"""
"""Whether a table was ever loaded: where markers were deleted, by the record of the runs that wrote them."""


def put_sample_where_all_is_new() -> None:
    """Copy the sample to the landing folder if that is empty and neither the warehouse nor the checkpoints ever held
    data: it would be mixed with real data otherwise.

    Raises PipelineError if the warehouse cannot be asked, or the folder cannot be written.
    """
    folder = paths.landing()
    if not isinstance(folder, Path):  # whoever has a store knows what to put there
        return
    if folder.exists() and any(folder.iterdir()):
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if has_held_data():
            print_to_stderr(f"{folder} is empty; the sample is put there only for a warehouse that never held data")
        else:
            shutil.copytree(SAMPLE, folder, dirs_exist_ok=True)
    except OSError as error:
        raise PipelineError(
            f"landing folder {folder}: the sample cannot be copied there ({error}); make it writable, or set "
            "[landing] folder in luigi.cfg"
        ) from error


def has_held_data() -> bool:
    """Whether data was ever loaded into the warehouse, or waits in a checkpoint to be loaded."""
    if checkpoint.list_loadable_batches(without=[]):
        return True
    if not warehouse.is_external() and not warehouse.find_embedded_home():
        return False
    with warehouse.reading() as cursor:
        cursor.execute("select to_regclass('etl.table_updates') is not null and to_regclass('etl.stages') is not null")
        queries = [WAS_LOADED] if cursor.fetchone() == (True,) else []
        for table in TABLES:
            cursor.execute("select to_regclass(%s) is not null", (f"raw_data.{table}",))
            if cursor.fetchone() == (True,):
                queries.append(f"select exists (select from raw_data.{table})")
        for query in queries:
            cursor.execute(query)
            if cursor.fetchone() == (True,):
                return True
    return False
