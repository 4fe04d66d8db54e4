"""Files of any kind and any name: none hangs a run, none is lost, and a broken one stops its batch only."""

import bz2
import gzip
import json
import os
import signal
import unicodedata
from pathlib import Path
from typing import Any

import exports
import pytest
from hypothesis import given, settings
from jobs import Ended, assert_accounted_for, run

from luigi_tasks import paths
from spark_jobs.extraction.assignments import Source
from spark_jobs.extraction.reading import BrokenSource, read_documents

MANY = int(os.environ.get("FUZZ_TINY_FILES", 3_000))
DOCUMENT = b'{"user_id": "u1"}'


def bomb(levels: int) -> bytes:
    content = b"[" + b" " * 100_000 + b"]"
    for _ in range(levels):
        content = gzip.compress(content)
    return content


def looks_like(what: str) -> str:
    return (
        f"it looks like {what}; JSON (an array, one object, or one a line) and CSV are read, in UTF-8, plain or "
        "packed by gzip, bzip2, xz or zstd, also in a zip or tar archive"
    )


NOTHING = "nothing is in it; an export without records is []"
CUT = "damaged compressed data (Compressed file ended before the end-of-stream marker was reached)"

FILES: dict[str, tuple[bytes, int | str]] = {
    "empty": (b"", NOTHING),
    "white space": (b" \r\n\t\n", NOTHING),
    "mark": (b"\xef\xbb\xbf", NOTHING),
    "two marks": (b"\xef\xbb\xbf\xef\xbb\xbf[]", looks_like("plain text")),
    "utf-16": ("[]".encode("utf-16"), "UTF-16, not UTF-8"),
    "crlf": (DOCUMENT + b"\r\n" + DOCUMENT + b"\r\n", 2),
    "cr": (DOCUMENT + b"\r" + DOCUMENT, "not valid JSON (Extra data)"),
    "nul": (b"\0", looks_like("binary data")),
    "gzip": (gzip.compress(DOCUMENT), 1),
    "gzip of nothing": (gzip.compress(b""), NOTHING),
    "gzip members": (gzip.compress(DOCUMENT + b"\n") + gzip.compress(DOCUMENT), 2),
    "gzip and zeros": (gzip.compress(DOCUMENT) + b"\0" * 512, 1),
    "gzip and garbage": (gzip.compress(DOCUMENT) + b"garbage", "damaged compressed data (Not a gzipped file (b'ga'))"),
    "gzip cut": (gzip.compress(DOCUMENT)[:-3], CUT),
    "gzip head": (b"\x1f\x8b", CUT),
    "bzip2 streams": (bz2.compress(DOCUMENT + b"\n") + bz2.compress(DOCUMENT), 2),
    "bzip2 cut": (bz2.compress(DOCUMENT)[:-3], CUT),
    "bzip2 and garbage": (bz2.compress(DOCUMENT) + b"garbage", 1),
    "gzip of gzip": (bomb(2), looks_like("a file packed twice by gzip")),
    "gzip ten times": (bomb(10), looks_like("a file packed twice by gzip")),
    "deep": (b"[" * 5_000 + b"]" * 5_000, "nested too deeply"),
    "deep in a gzip": (gzip.compress(b"[" + b"[" * 5_000 + b"]" * 5_000 + b"]"), "nested too deeply"),
}
"""Content, and how many documents it holds or what is wrong with it."""


def result(ended: Ended) -> int | str:
    assert_accounted_for(ended)
    return ended.fault.reason if ended.fault else ended.counts.read.get("documents", 0)


def test_file__of_any_kind_ends_as_it_should_beside_hundreds_of_others(spark, tmp_path):
    contents = [content for content, _ in FILES.values()]

    @settings(max_examples=80)
    @given(exports.files)
    def collect(content: bytes) -> None:
        contents.append(content)

    collect()
    batches = {}
    for number, content in enumerate(contents):
        (tmp_path / str(number)).write_bytes(content)
        batches[str(number)] = [tmp_path / str(number)]
    in_spark = run(tmp_path / "in Spark", batches, spark)
    assert [result(each) for each in in_spark.values()][: len(FILES)] == [expected for _, expected in FILES.values()]
    assert in_spark == run(tmp_path / "here", batches)
    assert len(in_spark) > len(FILES) + 50


def verdict(path: Path, max_unpacked_bytes: int | None = None) -> str:
    with pytest.raises(BrokenSource) as broken:
        list(read_documents(Source("f", path, max_unpacked_bytes=max_unpacked_bytes)))
    return broken.value.fault.reason


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress])
def test_compressed_file__that_unpacks_to_too_much_is_broken(tmp_path, compress):
    path, text = tmp_path / "f", b"[" + b" " * 50_000_000 + b"]"
    path.write_bytes(compress(text))
    expected = "unpacks to more than the 50,000,001 bytes that [landing] max_unpacked_bytes allows"
    assert verdict(path, len(text) - 1) == expected
    assert list(read_documents(Source("f", path, max_unpacked_bytes=len(text)))) == []
    path.write_bytes(text)
    assert list(read_documents(Source("f", path, max_unpacked_bytes=1))) == []


NO_FILE = "cannot be read (neither a file nor a folder that can be looked into)"
ODD: dict[str, Any] = {
    "pipe": (os.mkfifo, NO_FILE),
    "dangling link": (lambda path: path.symlink_to("nowhere"), "cannot be read (No such file or directory)"),
    "link to itself": (lambda path: path.symlink_to(path), "cannot be read (Too many levels of symbolic links)"),
    "folder": (os.mkdir, NO_FILE),
    "link to a device": (lambda path: path.symlink_to("/dev/zero"), NO_FILE),
}


@pytest.fixture
def half_a_minute():
    """Ends a test that hangs."""

    def end(*arguments: Any) -> None:
        raise AssertionError("it hangs")

    before = signal.signal(signal.SIGALRM, end)
    signal.alarm(30)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.usefixtures("half_a_minute")
@pytest.mark.parametrize("odd", ODD)
def test_file__that_is_none_is_broken_and_hangs_nothing(tmp_path, odd):
    make, reason = ODD[odd]
    make(tmp_path / "odd.json")
    assert verdict(tmp_path / "odd.json") == reason


def test_file__that_may_not_be_read_is_broken(tmp_path, monkeypatch):
    def refuse(*arguments: Any) -> Any:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)
    assert verdict(tmp_path / "good.json") == "cannot be read (Permission denied)"


@pytest.mark.parametrize("name", ["%" * 250, "é%" * 80, "*" * 86])
def test_name__of_a_folder_is_never_too_long(tmp_path, name):
    (tmp_path / paths.folder_name(name)).mkdir()
    assert paths.folder_name(name) != paths.folder_name(name[:-1] + ":")


def test_batch__may_consist_of_many_tiny_files(spark, tmp_path):
    """MANY can be set through FUZZ_TINY_FILES."""
    files = [tmp_path / "files" / f"{number:06}.json" for number in range(MANY)]
    files[0].parent.mkdir()
    for number, file in enumerate(files):
        file.write_text(f'{{"user_id": "u{number}"}}')
    ended = run(tmp_path / "built", {"day": files}, spark)["day"]
    assert result(ended) == MANY
    assert len(ended.tables["users"]) == MANY


# The whole pipeline

NAMES = (
    *("'; drop table users; --", '"quoted"', "it's", "a b", " leading", "100%", "%s %(x)s {} {{ x }}", "back\\slash"),
    *("\\", "-rf", "--help", "$HOME `id` $(id)", "a#b", "a=b,c=d", "*", "[a-z]?", "ünï 🐎", "e\u0301"),
    *("%" * 200, "é" * 120, "NULL", "null", "~", "x;y", "a|b", "<a>&amp;", "\u202eright", "\\N"),
)
FORGING = ("tab\there", "line\nend", "\x7f")
"""Names that hold control characters: a batch of such a name is refused."""
TEXTS = (*NAMES, *FORGING, *(text for text in exports.TEXTS if text.strip() and len(text) < 400), "x" * 3_000_000)


def cleaned(text: str) -> str:
    """What is left of a text in the normal form."""
    legal = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return legal.replace("\0", "").strip()


def test_pipeline__carries_any_name_and_any_text_and_stops_at_broken_files_only(make_project):
    project = make_project({"landing": {"max_unpacked_bytes": 10_000_000}, "quality": {"max_rejected_share": 1}})
    posts = [
        {"post_id": f"p{number}", "post_text": text, "location": text[:400], "tags": [text[:400]]}
        for number, text in enumerate(TEXTS)
    ]
    project.land("texts.json", [{"user_id": "texts", "posts": posts}])
    for number, name in enumerate(NAMES):
        project.land(f"{name}.json", [{"user_id": f"u{number}", "username": name}])
        project.land(f"a folder.json/{name}.json", [{"user_id": f"f{number}"}])
    for name in FORGING:
        project.land(f"{name}.json", [{"user_id": "forged"}])
    Path(os.fsdecode(os.fsencode(project.landing) + b"/\xff.json")).write_bytes(DOCUMENT)
    project.land("keys.jsonl", "\n".join(json.dumps({"user_id": os.urandom(4_000).hex()}) for _ in range(3)))
    project.land("bomb.json.gz", gzip.compress(b" " * 10_000_001))
    project.land("deep.json", '[{"a": ' + "[" * 5_000 + "]" * 5_000 + "}]")
    os.mkfifo(project.landing / "pipe.json")
    (project.landing / "loop.json").symlink_to("loop.json")
    (project.landing / "nothing.json").mkdir()
    ran = project.run()
    assert ran.code == 30, ran.output
    assert "Traceback" not in ran.output
    said = sorted(line.strip() for line in ran.output.splitlines() if line.strip().startswith("batch "))
    limit = "unpacks to more than the 10,000,000 bytes that [landing] max_unpacked_bytes allows"
    name_fault = "its name is not UTF-8, or holds control characters: rename it"
    assert [line.split(";")[0] for line in said] == sorted(
        [
            f"batch bomb, file bomb.json.gz: at byte 10,000,000: {limit}",
            "batch deep, file deep.json: at byte 1: nested too deeply",
            "batch loop, loop.json: a link that leads nowhere (Too many levels of symbolic links): put the file itself "
            "there",
            "batch nothing, nothing.json: a folder without a file to read",
            "batch pipe, pipe.json: a pipe, socket or device: put a file there",
            *(f"batch {name}, {name}.json: {name_fault}" for name in ("\\xff", "tab\\there", "line\\nend", "\\x7f")),
        ]
    )
    users = project.rows("select batch, user_id, username from raw_data.users where username is not null")
    assert sorted(users) == sorted((name, f"u{number}", cleaned(name)) for number, name in enumerate(NAMES))
    others = project.rows("select batch, file, user_id from raw_data.users where username is null")
    assert sorted(others) == sorted(
        [
            *(("a folder", f"{name}.json", f"f{number}") for number, name in enumerate(NAMES)),
            ("texts", "texts.json", "texts"),
        ]
    )
    assert project.rows("select batch, rules from raw_data.rejected") == [("keys", ["missing_user_id"])] * 3
    texts = {f"p{number}": cleaned(text) for number, text in enumerate(TEXTS)}
    for table in ("raw_data.posts", "marts_personal.content_performance_mart"):
        assert dict(project.rows(f"select post_id, post_text from {table}")) == texts
    locations = {unicodedata.normalize("NFC", " ".join(cleaned(text[:400]).split())) for text in TEXTS} - {""}
    marts = {name for (name,) in project.rows("select location from marts_personal.location_analysis_mart")}
    assert marts == locations | {"Unknown Location"}
    tags = {unicodedata.normalize("NFC", cleaned(text[:400]).lstrip("# ").lower()) for text in TEXTS} - {""}
    assert {tag for (tag,) in project.rows("select tag from marts_personal.tag_analysis_mart")} == tags
