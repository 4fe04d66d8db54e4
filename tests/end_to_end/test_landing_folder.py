"""One bad entry of the landing folder holds up its own batch, and no other; nothing outside of the folder is read."""

import gzip
import json
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from project import MakeProject, Project
from test_notify import receivers

SECRET = "MIIEvQIBADANBgkqhkiG9w0BAQ"
ENDS = "nothing of the batch is loaded; correct that and run again"


def export(*names: str) -> list[dict[str, object]]:
    return [{"user_id": name, "posts": [{"post_id": f"post of {name}"}]} for name in names]


def read_users(project: Project) -> list[tuple[str, str]]:
    return project.rows("select batch, user_id from raw_data.users order by batch, user_id")


def read_mart(project: Project) -> list[str]:
    return [name for (name,) in project.rows("select user_id from marts_personal.user_engagement_mart order by 1")]


@pytest.fixture
def project(make_project: MakeProject) -> Project:
    """A project whose batch `loaded` is in the marts."""
    made = make_project()
    made.land("loaded.json", export("ann", "ben", "cyd"))
    assert made.run().code == 0
    return made


def land_bad_entries(project: Project) -> dict[str, str]:
    """Everything that cannot be a batch, or not all of one. Returns what is said of each, by its batch."""
    landing = project.landing
    key = project.folder / "key.json"
    key.write_text(json.dumps({"user_id": "key", "private_key": SECRET}))
    project.land("twice.json", export("twice"))
    project.land("twice.json.gz", gzip.compress(json.dumps(export("twice")).encode()))
    Path(os.fsdecode(os.fsencode(landing) + b"/\xff.json")).write_text("[]")
    project.land("line\nend.json", export("forged"))
    (landing / "key.json").symlink_to(key)
    project.land("folder/good.json", export("half"))
    (landing / "folder" / "key.json").symlink_to("../../key.json")
    (landing / "whole").symlink_to(project.folder)
    (landing / "nowhere.json").symlink_to("gone")
    (landing / "loop.json").symlink_to("loop.json")
    os.mkfifo(landing / "pipe.json")
    (landing / "unmounted").mkdir()
    project.land("part-empty/a.json", export("half"))
    project.land("part-empty/b.json", "")
    project.land("blank.json", "\n\n")
    project.land("upload.csv", "colour,size\nred,1\n")
    replace = "nothing of the batch is loaded; replace the file and run again"
    nothing = f"at byte 0: nothing is in it; an export without records is []; {replace}"
    name = f"its name is not UTF-8, or holds control characters: rename it; {ENDS}"
    leads_out = (
        "a link that leads out of the landing folder, to {}: put the file itself there, or name its folder in "
        f"[landing] link_targets in luigi.cfg; {ENDS}"
    )
    leads_nowhere = f"a link that leads nowhere ({{}}): put the file itself there; {ENDS}"
    said = {
        "twice": "twice.json: of the same batch as twice.json.gz: rename all but one, or put them into one folder; "
        + ENDS,
        "\\xff": f"\\xff.json: {name}",
        "line\\nend": f"line\\nend.json: {name}",
        "key": f"key.json: {leads_out.format(key)}",
        "folder": f"key.json: {leads_out.format(key)}",
        "whole": f"whole: {leads_out.format(project.folder)}",
        "nowhere": f"nowhere.json: {leads_nowhere.format('No such file or directory')}",
        "loop": f"loop.json: {leads_nowhere.format('Too many levels of symbolic links')}",
        "pipe": f"pipe.json: a pipe, socket or device: put a file there; {ENDS}",
        "unmounted": f"unmounted: a folder without a file to read; an export without records is []; {ENDS}",
        "part-empty": f"file b.json: {nothing}",
        "blank": f"file blank.json: {nothing}",
        "upload": "file upload.csv: at byte 0: no source looks like CSV with the columns colour, size; the closest is "
        f"flat_csv, which wants the column user_id; {replace}",
    }
    return {batch: f"batch {batch}, {fault}" for batch, fault in said.items()}


def test_run__holds_up_the_batches_that_cannot_be_read_and_no_other(project):
    said = land_bad_entries(project)
    project.land("new.json", export("dot"))
    with receivers() as received:
        ran = project.run(SOCIALMART_NOTIFY=received.addresses)
    assert ran.code == 30, ran.output
    assert "Traceback" not in ran.output
    lines = {line.strip() for line in ran.output.splitlines()}
    [post] = received.posts
    explained = project.socialmart("explain").output
    stopped = 5 * len(said)
    assert f", {stopped} not run: the batch is stopped\n" in explained and "    Load" not in explained
    summary = project.socialmart("summary").output
    for batch, fault in said.items():
        assert fault in lines
        assert f"- Audit {batch}: {fault}\n" in post["message"]
        assert f"Audit {batch}: {fault}\n" in explained
        assert fault in summary
    assert [user for _, user in read_users(project)] == ["ann", "ben", "cyd", "dot"]
    assert read_mart(project) == ["ann", "ben", "cyd", "dot"]
    assert not [
        path for path in project.checkpoints.rglob("*") if path.is_file() and SECRET in path.read_text("latin-1")
    ]
    again = project.run()
    assert (again.code, [line for line in said.values() if line not in again.output]) == (30, []), again.output
    assert "Extract" not in again.output, "what is known to be bad is not read again"

    (project.landing / "twice.json.gz").unlink()
    project.set({"landing": {"link_targets": project.folder}})
    (project.folder / "key.json").write_text(json.dumps({"user_id": "key"}))
    ran = project.run()
    assert ran.code == 30
    assert {batch for batch, _ in read_users(project)} == {"loaded", "new", "twice", "key", "folder"}


@contextmanager
def being_written(path: Path) -> Iterator[None]:
    """Appends documents to a file until the block ends."""
    is_over = threading.Event()

    def write() -> None:
        number = 0
        while not is_over.is_set():
            with path.open("a") as file:
                file.write(json.dumps({"user_id": f"busy {number:06}"}) + "\n")
            number += 1
            time.sleep(0.02)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


def test_run__holds_up_what_is_being_written_until_it_is_whole(project):
    project.land("new.json", export("dot"))
    busy = project.land("busy.jsonl", '{"user_id": "first"}\n')
    project.land("linked/good.json", export("eve"))
    (project.landing / "linked" / "busy.jsonl").symlink_to("../busy.jsonl")
    with being_written(busy):
        ran = project.run()
    assert ran.code == 30, ran.output
    for batch in ("busy", "linked"):
        fault = "changed while it was read: write it as NAME.tmp, and rename it once it is whole"
        assert f"batch {batch}, busy.jsonl: {fault}; {ENDS}" in ran.output
    assert read_mart(project) == ["ann", "ben", "cyd", "dot"]
    assert project.run().code == 0
    written = len(busy.read_text().splitlines())
    assert project.rows("select batch, count(*) from raw_data.users group by 1 order by 1") == [
        ("busy", written),
        ("linked", written + 1),
        ("loaded", 3),
        ("new", 1),
    ]


def test_run__reads_a_corrected_export_of_the_same_size_and_time(project):
    path = project.landing / "loaded.json"
    before = path.stat()
    path.write_text(path.read_text().replace("cyd", "dot"))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    assert project.run().code == 0
    assert read_mart(project) == ["ann", "ben", "dot"]
    os.utime(path)
    assert "Extract" not in project.run().output


@pytest.mark.parametrize(
    "content", ["", " \n", b"\xef\xbb\xbf", gzip.compress(b"")], ids=["0", "blank", "mark", "gzip"]
)
def test_run__takes_a_file_that_says_nothing_for_no_empty_batch(project, content):
    project.land("loaded.json", content)
    assert project.run().code == 30
    assert read_mart(project) == ["ann", "ben", "cyd"]


def test_run__remarks_on_a_batch_that_shrank_by_half_or_more(project):
    project.land("loaded.json", "")
    assert project.run().code == 30
    project.land("loaded.json", export("ann"))
    with receivers() as received:
        ran = project.run(SOCIALMART_NOTIFY=received.addresses)
    advice = "if it should not have, put the earlier export back and run again"
    remark = f"batch loaded: shrank to 1 user of 3, 1 post of 3; {advice}"
    assert (ran.code, read_mart(project)) == (0, ["ann"])
    assert f"WARNING {remark}" in ran.output
    assert project.rows("select kind, subject, remark from etl.remarks") == [("shrunk batch", "loaded", remark)]
    [post] = received.posts
    assert f"Unusual:\n- {remark}" in post["message"]
    project.land("loaded.json", "[]")
    assert "batch loaded: shrank to 0 users of 1, 0 posts of 1; " in project.run().output
    assert "shrank" not in project.run().output
