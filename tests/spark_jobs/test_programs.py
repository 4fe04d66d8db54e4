"""The jobs as programs: what spark-submit runs by hand, and what it says of a broken request."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from luigi_tasks.paths import SPARK_JOBS
from luigi_tasks.spark import submit
from luigi_tasks.spark.java import java_home
from spark_jobs.messages import BatchToExtract, ExtractRequest, ExtractResult, FileToRead, read_message, write_message

SMALL = ["--master", "local[1]", "--driver-memory", "512m", "--conf", "spark.ui.enabled=false"]


def spark_submit(program: Path, *arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a program as somebody does by hand who has not installed it: in another folder, without PYTHONPATH."""
    home = submit.find_spark_home()
    variables = {
        "JAVA_HOME": str(java_home(folder / "java")),
        "SPARK_HOME": str(home),
        "PYSPARK_PYTHON": sys.executable,
        "SPARK_LOCAL_IP": "127.0.0.1",
    }
    inherited = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYSPARK_SUBMIT_ARGS")}
    return subprocess.run(
        [home / "bin" / "spark-submit", *SMALL, program, *arguments],
        env=inherited | variables,
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


def run_in_python(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a program without spark-submit: a request is read before Spark starts."""
    argv = [sys.executable, str(SPARK_JOBS / f"{program}.py"), *arguments]
    return subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)


def test_extract__by_hand_runs_the_job_beside_it_and_writes_result_and_progress_to_uris(tmp_path):
    copy = tmp_path / "elsewhere" / "spark_jobs"
    shutil.copytree(SPARK_JOBS, copy, ignore=shutil.ignore_patterns("__pycache__"))
    with (copy / "extraction" / "documents.py").open("a") as module:
        module.write("\nof_the_copy = build_document_row\n\n\n")
        module.write("def build_document_row(value, text):\n    return of_the_copy(value, text) | {'fault': 'copy'}\n")
    (tmp_path / "export.json").write_text('[{"user_id": "u1"}, {"user_id": "u2"}]')
    batch = BatchToExtract("b", [FileToRead("export.json", str(tmp_path / "export.json"))])
    write_message(str(tmp_path / "request.json"), ExtractRequest([batch], str(tmp_path / "staging"), None))
    places = {name: f"file://{tmp_path}/{name}.json" for name in ("request", "result", "progress")}
    options = [part for name, place in places.items() for part in (f"--{name}", place)]
    ended = spark_submit(copy / "extract.py", *options, folder=tmp_path)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    [found] = read_message(ExtractResult, places["result"]).batches
    assert (found.documents.rows, found.fault) == (2, None)
    progress = json.loads((tmp_path / "progress.json").read_text())
    assert progress == {"done": 1, "total": 1, "status": "2 documents, 1 of 1 files", "url": None}
    import pyarrow.parquet as pq

    [part] = (tmp_path / "staging").rglob("*.parquet")
    assert pq.read_table(part)["fault"].to_pylist() == ["copy", "copy"]


def test_clean__by_hand_with_a_broken_request_ends_with_a_sentence(tmp_path):
    (tmp_path / "request.json").write_text('{"batches": []}')
    options = ["--request", str(tmp_path / "request.json"), "--result", str(tmp_path / "result.json")]
    ended = spark_submit(SPARK_JOBS / "clean.py", *options, folder=tmp_path)
    assert ended.returncode == 2
    missing = "staging: missing; impute_age: missing; fill_in_users: missing"
    sentence = f"clean: {tmp_path}/request.json: does not fit CleanRequest: {missing}"
    assert sentence in (ended.stdout + ended.stderr).splitlines()
    assert "Traceback" not in ended.stdout + ended.stderr
    assert "\tat " not in ended.stdout + ended.stderr
    assert not (tmp_path / "result.json").exists()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (None, "cannot be read ("),
        ("{", "does not fit ExtractRequest: not JSON ("),
        ("[]", "does not fit ExtractRequest: message: ExtractRequest expected, [] found"),
        (
            '{"batches": [{"name": 7}], "staging": "/s", "max_unpacked_bytes": null, "more": 1}',
            "does not fit ExtractRequest: more: unknown; batches[0].files: missing; "
            "batches[0].name: a text expected, 7 found",
        ),
    ],
)
def test_extract__says_in_one_line_what_is_wrong_with_its_request(tmp_path, text, sentence):
    request = tmp_path / "request.json"
    if text is not None:
        request.write_text(text)
    ended = run_in_python("extract", "--request", str(request), "--result", str(tmp_path / "result.json"))
    assert (ended.returncode, ended.stdout) == (2, "")
    [line] = ended.stderr.splitlines()
    assert line.startswith(f"extract: {request}: {sentence}")


def test_extract__reads_nothing_where_its_result_cannot_be_written(tmp_path):
    staging, result = tmp_path / "staging", tmp_path / "nowhere" / "result.json"
    write_message(str(tmp_path / "request.json"), ExtractRequest([], str(staging), None))
    ended = run_in_python("extract", "--request", str(tmp_path / "request.json"), "--result", str(result))
    assert (ended.returncode, ended.stdout) == (2, "")
    [line] = ended.stderr.splitlines()  # Spark, which says more, was not started
    assert line.startswith(f"extract: {result}: cannot be written (")


def test_clean__without_its_options_says_which():
    ended = run_in_python("clean")
    assert ended.returncode == 2
    assert "the following arguments are required: --request, --result" in ended.stderr
