"""Runs with landing and checkpoints in an object store (moto's server, a mock of Amazon S3): killed, repeated, damaged,
on a cluster. They leave the marts of a run on folders, and no credentials anywhere."""

import json
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import pytest
from object_store import CREDENTIALS, object_stores
from project import MakeProject, Project, Settings, free_ports, wait_for

from bench.sample import generate_documents
from luigi_tasks import config
from luigi_tasks.spark import local_cluster
from spark_jobs.storage import ObjectPath

BATCHES = ("2026-01-01", "2026-01-02", "2026-01-03")
SECRET = CREDENTIALS["AWS_SECRET_ACCESS_KEY"]


@pytest.fixture(scope="module")
def bucket() -> Iterator[ObjectPath]:
    with object_stores() as made:
        yield made


def keep_in(folder: ObjectPath) -> Settings:
    return {
        "storage": {"endpoint": folder.endpoint, "region": folder.region},
        "landing": {"folder": folder.parent / "exports"},
        "checkpoints": {"folder": folder, "local_folder": "local"},
    }


def land(project: Project, folder: ObjectPath) -> None:
    """Put the same exports into a project's landing folder and into the one beside a folder of the store."""
    documents = list(generate_documents(90, seed=7))
    for number, batch in enumerate(BATCHES):
        path = project.land(f"{batch}/export.json", documents[number * 30 : number * 30 + 35])
        (folder.parent / "exports" / batch / path.name).write_bytes(path.read_bytes())


def list_keys(folder: ObjectPath) -> set[str]:
    try:
        return {str(path.relative_to(folder)) for path in folder.list_files()}
    except FileNotFoundError:
        return set()


def list_named(folder: ObjectPath) -> set[str]:
    """All manifests, and the files that they name."""
    found = {".project"}
    for name in list_keys(folder):
        if name.endswith("/manifest.json"):
            manifest = json.loads((folder / name).read_bytes())
            root = f"{name.removesuffix('manifest.json')}{manifest['attempt']}"
            found |= {name, *(f"{root}/{file['path']}" for file in manifest["files"])}
    return found


def digest_checkpoints(folder: ObjectPath) -> dict[str, str]:
    """What the manifests of Extract and Clean say of their files, by the path that those have in a folder."""
    found = {}
    for name in list_keys(folder):
        if name.endswith("/manifest.json"):
            manifest = json.loads((folder / name).read_bytes())
            place = name.removesuffix("manifest.json")
            found |= {f"{place}{file['path']}": file["sha256"] for file in manifest["files"]}
            found[name] = manifest["content"]
    return found


def kill(project: Project) -> None:
    """End a run and all that it started, as a machine does that loses its power."""
    for process in psutil.process_iter():
        try:
            if process.cwd() == str(project.folder) and "postgres" not in process.name():
                os.kill(process.pid, signal.SIGKILL)
        except (psutil.Error, ProcessLookupError):
            continue


@contextmanager
def watched_arguments() -> Iterator[set[str]]:
    """The command lines of all processes meanwhile that hold the secret."""
    found: set[str] = set()
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(0.5):
            for process in psutil.process_iter(["cmdline"]):
                text = " ".join(process.info["cmdline"] or ())
                if SECRET in text:
                    found.add(text)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield found
    finally:
        ended.set()
        watcher.join()


def test_run__that_is_killed_before_the_manifest_is_made_up_for_by_the_next_one(make_project: MakeProject, bucket):
    folder = bucket / "checkpoints"
    local, project = make_project(), make_project(keep_in(folder))
    land(local, folder)
    ended = local.run()
    assert ended.code == 0, ended.output

    run = project.start()
    wait_for("a part of Extract", lambda: [key for key in list_keys(folder) if "/documents/" in key], seconds=60)
    kill(project)
    run.communicate()
    left = list_keys(folder)
    assert left and not [key for key in left if key.endswith("manifest.json")]

    with watched_arguments() as shown:
        ended = project.run()
    assert (ended.code, shown) == (0, set()), ended.output
    assert list_keys(folder) == list_named(folder), "nothing of the killed run is left"
    assert project.marts() == local.marts()

    ended = project.run()
    assert ended.code == 0 and "started, " not in ended.output.replace("started PostgreSQL", ""), ended.output

    (folder / "clean" / BATCHES[0] / "manifest.json").unlink()
    (folder / "extract" / BATCHES[1]).delete_tree()
    ended = project.run()
    begun = {line.split(" INFO ")[1] for line in ended.output.splitlines() if ": started, " in line}
    assert begun == {f"Extract {BATCHES[1]}: started, 1 batch", f"Clean {BATCHES[0]}: started, 1 batch"}
    assert list_keys(folder) == list_named(folder)

    holding = [path for path in project.folder.rglob("*") if path.is_file() and SECRET.encode() in path.read_bytes()]
    assert (holding, SECRET in ended.output) == ([], False)


@pytest.mark.slow
def test_clean__on_a_cluster_finds_its_checkpoints_in_a_store(make_project: MakeProject, bucket, tmp_path, monkeypatch):
    folder = bucket / "of-a-cluster"
    local, project = make_project(), make_project(keep_in(folder))
    port = free_ports(3)
    master = f"spark://{local_cluster.HOST}:{port}"
    project.set({"spark": {"master": master, "properties_file": local_cluster.find_properties(tmp_path)}})
    land(local, folder)
    command = ("Clean", "--Clean-batch", "/".join(BATCHES))
    ended = local.run(*command)
    assert ended.code == 0, ended.output
    monkeypatch.setattr(config.read_section_once(config.checkpoints), "folder", str(folder))
    with local_cluster.running(port, 1, cores=2, memory="1g", logs=tmp_path):
        ended = project.run(*command)
    assert ended.code == 0, ended.output
    assert digest_checkpoints(folder) == local.digest_checkpoints()
    assert list(tmp_path.glob("worker-1/app-*/*/stderr")), "an executor of the cluster did the work"
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and SECRET.encode() in path.read_bytes()]


def test_run__without_its_bucket_ends_with_a_sentence(make_project: MakeProject, bucket):
    gone = ObjectPath("s3", "no-such-bucket/checkpoints", bucket.endpoint, bucket.region)
    project = make_project(keep_in(gone) | {"landing": {"folder": "landing"}})
    project.land(f"{BATCHES[0]}.json", [])
    ended = project.run()
    assert ended.code == 35 and "Traceback" not in ended.output, ended.output
    assert f"checkpoints folder {gone}: the store refuses or does not answer (AWS Error NO_SUCH_BUCKET" in ended.output
