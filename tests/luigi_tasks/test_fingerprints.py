"""Fingerprints of code follow its imports, through nested packages, and see neither prose nor places."""

from collections.abc import Callable
from pathlib import Path

import pytest

from luigi_tasks import fingerprints, paths

PROGRAM = {
    "jobs/__init__.py": '"""Jobs."""\n',
    "jobs/entry.py": "from jobs.rules import ages\nfrom jobs import other\nimport jobs.deep.deeper.leaf\n\n\n"
    'def run(value):\n    """Run."""\n    return ages.clean(value)  # cleaned\n',
    "jobs/rules/__init__.py": "",
    "jobs/rules/ages.py": 'LIMIT = 120\n"""Years."""\n\n\ndef clean(value):\n    return min(value, LIMIT)\n',
    "jobs/other.py": "from .deep.deeper import leaf\n",
    "jobs/deep/__init__.py": "",
    "jobs/deep/deeper/__init__.py": "",
    "jobs/deep/deeper/leaf.py": "x = 1\n",
    "jobs/unused.py": "y = 1\n",
}

Change = Callable[[dict[str, str]], None]


def _fingerprint(folder: Path, files: dict[str, str]) -> str:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return fingerprints.of_program(folder / "jobs/entry.py", folder)


def _changed(**texts: tuple[str, str]) -> dict[str, str]:
    """The program with one text replaced in each named file; `__` stands for `/` in a file's name."""
    files = dict(PROGRAM)
    for name, (before, after) in texts.items():
        path = f"jobs/{name.replace('__', '/')}.py"
        assert before in files[path]
        files[path] = files[path].replace(before, after)
    return files


def test_of_program__is_that_of_the_same_code_elsewhere(tmp_path):
    assert _fingerprint(tmp_path / "a", PROGRAM) == _fingerprint(tmp_path / "b", PROGRAM)


@pytest.mark.parametrize(
    "files",
    [
        _changed(entry=("# cleaned", "# set right")),
        _changed(entry=("Run.", "Run it.")),
        _changed(rules__ages=("Years.", "In years.")),
        _changed(rules__ages=("LIMIT = 120\n", "\n\nLIMIT = 120  # years\n")),
        _changed(unused=("1", "2")),
    ],
    ids=["comment", "docstring", "docstring of a constant in a nested module", "layout", "module not imported"],
)
def test_of_program__is_the_same_whatever_prose_says(tmp_path, files):
    assert _fingerprint(tmp_path / "before", PROGRAM) == _fingerprint(tmp_path / "after", files)


@pytest.mark.parametrize(
    "files",
    [
        _changed(entry=("ages.clean(value)", "ages.clean(value + 1)")),
        _changed(rules__ages=("120", "130")),
        _changed(deep__deeper__leaf=("x = 1", "x = 2")),
        {**PROGRAM, "jobs/deep/__init__.py": "import os\n"},
        _changed(rules__ages=("120", "'120'")),
    ],
    ids=["program", "nested module", "module imported by another", "package around a module", "another type"],
)
def test_of_program__differs_where_code_does(tmp_path, files):
    assert _fingerprint(tmp_path / "before", PROGRAM) != _fingerprint(tmp_path / "after", files)


def test_of_program__is_the_same_after_a_move(tmp_path):
    moved = _changed(entry=("from jobs.rules import ages", "from jobs.cleaning.rules import ages"))
    moved["jobs/cleaning/rules/ages.py"] = moved.pop("jobs/rules/ages.py")
    assert _fingerprint(tmp_path / "before", PROGRAM) == _fingerprint(tmp_path / "after", moved)


def test_of_program__refuses_a_module_that_is_not_there(tmp_path):
    files = dict(PROGRAM)
    del files["jobs/deep/deeper/leaf.py"]
    with pytest.raises(ValueError, match=r"entry\.py: the module jobs\.deep\.deeper\.leaf that it imports"):
        _fingerprint(tmp_path, files)


def test_of_modules__sees_these_modules_only(tmp_path):
    _fingerprint(tmp_path, PROGRAM)
    entry = tmp_path / "jobs/entry.py"
    before = fingerprints.of_modules(entry)
    fingerprints.of_modules.cache_clear()
    (tmp_path / "jobs/rules/ages.py").write_text("LIMIT = 1\n", encoding="utf-8")
    assert fingerprints.of_modules(entry) == before
    fingerprints.of_modules.cache_clear()
    entry.write_text("LIMIT = 1\n", encoding="utf-8")
    assert fingerprints.of_modules(entry) != before


def test_of_program__covers_a_job_and_leaves_out_what_only_runs_it(monkeypatch):
    def list_names(package: str) -> set[str]:
        read: list[Path] = []
        monkeypatch.setattr(fingerprints, "_parse", lambda module: read.append(module) or parse(module))
        for function in (fingerprints.of_program, fingerprints._holds_code):
            function.cache_clear()
        fingerprints.of_program(paths.SPARK_JOBS / package / "job.py", paths.PROJECT)
        return {str(path.relative_to(paths.SPARK_JOBS)) for path in read if path.name != "__init__.py"}

    def list_modules(package: str) -> set[str]:
        modules = (paths.SPARK_JOBS / package).glob("*.py")
        return {str(path.relative_to(paths.SPARK_JOBS)) for path in modules if path.name != "__init__.py"}

    parse = fingerprints._parse
    shared = {"schemas.py", "storage.py", "messages/codec.py", "messages/jobs.py"}
    shared |= {f"engine/{name}.py" for name in ("file_modes", "parallel", "parquet_parts", "progress")}
    extraction = list_modules("extraction") - {"extraction/preview.py"} | list_modules("sources")
    assert list_names("extraction") == extraction | shared
    assert list_names("cleaning") == list_modules("cleaning") | shared | {"parquet_blocks.py"}
