"""The AOT cache: what the packaged Java keeps of Spark's classes, so that Spark starts in half the time."""

import json
import os
import tempfile
from pathlib import Path

from luigi_tasks import file_modes, paths
from luigi_tasks.processes.service_process import ServiceProcess
from luigi_tasks.spark import session, submit
from luigi_tasks.spark.java import aot_cache, java_home
from spark_jobs.messages import BatchToClean, BatchToExtract, CleanRequest, ExtractRequest, FileToRead
from spark_jobs.messages.operations import CLEAN, EXTRACT

MASTER = "local[*]"
EXPORT = [{"user_id": "u", "posts": [{"post_id": "p", "comments": [{"comment": "c"}, {"comment": "c"}]}]}]


def prepare_java() -> str:
    """Have the packaged Java keep what it learns in one run of the jobs. Returns what was done, in words."""
    home, cache = java_home(paths.java_runtime()), aot_cache(paths.java_runtime())
    if paths.java_runtime() not in home.parents:
        return f"{home}: not the packaged Java, so nothing is kept"
    cache.unlink(missing_ok=True)
    unfinished = cache.with_suffix(f".{os.getpid()}")
    with tempfile.TemporaryDirectory() as name:
        command = submit.build_command("session", MASTER, f"-XX:AOTCacheOutput={unfinished}")
        service = ServiceProcess(session.NAME, command, submit.make_environment(MASTER), Path(name) / "log")
        _run_jobs(service, Path(name))
        service.close()
    if not unfinished.exists():
        return f"{home}: this Java keeps nothing; Spark starts more slowly"
    unfinished.chmod(file_modes.PROGRAM_MODE)
    unfinished.replace(cache)
    return f"{home}: kept in {cache}"


def _run_jobs(service: ServiceProcess, folder: Path) -> None:
    export, extracted, cleaned = folder / "export.json", folder / "extract", folder / "clean"
    export.write_text(json.dumps(EXPORT), encoding="utf-8")
    landed = BatchToExtract("b", [FileToRead(export.name, str(export))])
    service.ask(EXTRACT, ExtractRequest([landed], str(extracted), max_unpacked_bytes=None))
    documents = BatchToClean("b", [str(extracted / "batch_no=0" / "documents")])
    service.ask(CLEAN, CleanRequest([documents], str(cleaned), impute_age=False, fill_in_users=False))
