"""Fingerprints of code follow its imports, and nothing else."""

from luigi_tasks import fingerprints, paths


def test_sources__follow_the_imports_of_a_job():
    def names(job: str) -> set[str]:
        return {path.name for path in fingerprints.sources(paths.SPARK_JOBS / job)}

    shared = {"job.py", "parts.py", "schemas.py", "progress.py", "serving.py"}
    assert names("extract.py") == {"extract.py", "landing_files.py", "records.py"} | shared
    assert names("clean.py") == {"clean.py", "rules.py", "tables.py"} | shared


def test_of_code__differs_when_an_imported_module_changes(tmp_path):
    package = tmp_path / "jobs"
    package.mkdir()
    (package / "entry.py").write_text("from jobs.helper import x\nfrom jobs import other\n")
    (package / "helper.py").write_text("x = 1\n")
    (package / "other.py").write_text("")
    (package / "unused.py").write_text("")

    def now() -> str:
        fingerprints.of_code.cache_clear()
        return fingerprints.of_code(package / "entry.py")

    first = now()
    (package / "unused.py").write_text("y = 1\n")
    assert now() == first
    (package / "helper.py").write_text("x = 2\n")
    assert now() != first
