"""Which source each file of a batch is of, and what its files say to one another."""

import json
import zipfile
from pathlib import Path

from golden_exports import GOLDENS

from spark_jobs.extraction.file_formats import BatchFiles, recognize_files
from spark_jobs.extraction.preview import preview_files
from spark_jobs.messages import BatchToExtract, ExtractRequest, FileToRead
from spark_jobs.sources.catalog import list_sources

TWEETS = (GOLDENS / "x_archive/data/tweets.js").read_text(encoding="utf-8")


def ask(folder: Path, decided: str = "") -> tuple[BatchToExtract, ExtractRequest]:
    names = sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    batch = BatchToExtract("b", [FileToRead(str(name), str(folder / name)) for name in names], decided)
    return batch, ExtractRequest([batch], "", None)


def recognize(folder: Path, decided: str = "") -> BatchFiles:
    return recognize_files(*ask(folder, decided), list_sources({}))


def describe(found: BatchFiles) -> dict[str, str | None]:
    """By file its source, None for the native one, or its fault."""
    return {
        file.file: file.fault.reason if file.fault else file.format and file.format.source.name for file in found.files
    }


def zip_archive(path: Path, owner: str, **others: str) -> None:
    account = [{"account": {"accountId": owner, "username": owner}}]
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("data/account.js", f"window.YTD.account.part0 = {json.dumps(account)}")
        archive.writestr("data/tweets.js", TWEETS)
        for name, content in others.items():
            archive.writestr(name.replace("_", "."), content)


def test_recognize_files__takes_each_file_by_its_content(tmp_path):
    for name in ("flat_csv/users.csv", "reddit_dump/RS_2023-11.jsonl", "x_v2/search.jsonl"):
        (tmp_path / name.replace("/", "-")).write_bytes((GOLDENS / name).read_bytes())
    (tmp_path / "native.json").write_text('[{"user_id": "u1"}]')
    assert describe(recognize(tmp_path)) == {
        "flat_csv-users.csv": "flat_csv",
        "native.json": None,
        "reddit_dump-RS_2023-11.jsonl": "reddit_dump",
        "x_v2-search.jsonl": "x_v2",
    }


def test_recognize_files__refuses_a_table_of_no_source(tmp_path):
    (tmp_path / "a.csv").write_text("colour,size\nred,1\n")
    [reason] = describe(recognize(tmp_path)).values()
    assert reason.startswith("no source looks like CSV with the columns colour, size")


def test_recognize_files__of_an_archive_leaves_alone_what_is_of_no_source(tmp_path):
    zip_archive(tmp_path / "x.zip", "7", notes_txt="hello", colours_csv="colour,size\nred,1\n", other_json="[1]")
    found = recognize(tmp_path)
    assert describe(found) == {"x.zip/data/account.js": "x_archive", "x.zip/data/tweets.js": "x_archive"}
    assert found.unknown.keys() == {"x.zip/colours.csv", "x.zip/notes.txt", "x.zip/other.json"}
    assert found.unknown["x.zip/colours.csv"].startswith("no source looks like CSV with the columns colour, size")
    left_alone = {
        preview.file: preview.why_left_alone for preview in preview_files(*ask(tmp_path)) if not preview.source
    }
    assert left_alone == found.unknown


def test_preview_files__tells_what_clean_will_reject_and_correct(tmp_path):
    rows = [",ghost,a,1", "7,ann,ann@x.example,2", "8,bo,bo,3", "9,cy,cy,many"]
    (tmp_path / "a.csv").write_text("\n".join(["user_id,username,email,followers", *rows, ""]))
    [found] = preview_files(*ask(tmp_path))
    assert found.counts == {"user": 3}
    assert (found.rejected, found.first_rejected) == ({"missing_user_id": 1}, ",ghost,a,1")
    assert found.corrected == {"user.email.invalid_email": 2, "user.followers.invalid_count": 1}
    assert found.first_corrected == {"user.email.invalid_email": "bo", "user.followers.invalid_count": "many"}


def test_recognize_files__refuses_an_archive_of_which_no_file_is_of_a_source(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("a.csv", "colour,size\nred,1\n")
    assert describe(recognize(tmp_path)) == {"x.zip": "no source looks like x.zip/a.csv"}


def test_recognize_files__the_owner_of_one_archive_is_none_of_the_other(tmp_path):
    for owner in ("7", "8"):
        zip_archive(tmp_path / f"{owner}.zip", owner)
    found = {file.file: file.format.shared for file in recognize(tmp_path).files}
    assert found["7.zip/data/tweets.js"] != found["8.zip/data/tweets.js"]
    authors = {
        preview.file: preview.examples["post"]["user_id"]
        for preview in preview_files(*ask(tmp_path))
        if "post" in preview.examples
    }
    assert authors == {"7.zip/data/tweets.js": "7", "8.zip/data/tweets.js": "8"}


def test_recognize_files__what_somebody_decided_counts(tmp_path):
    (tmp_path / "a.jsonl").write_bytes((GOLDENS / "reddit_dump/RS_2023-11.jsonl").read_bytes())
    assert describe(recognize(tmp_path, "x_v1")) == {"a.jsonl": "x_v1"}
    [reason] = describe(recognize(tmp_path, "nope")).values()
    assert reason.startswith("_source.toml names the source nope; there are bluesky_feed, ")


def test_recognize_files__leaves_it_to_its_reader_to_say_why_a_file_is_damaged(tmp_path):
    (tmp_path / "a.json.gz").write_bytes(b"\x1f\x8b\x08damaged")
    (tmp_path / "b.csv").write_bytes("naïve,b\n1,2\n".encode("latin-1"))
    assert describe(recognize(tmp_path)) == {"a.json.gz": None, "b.csv": "not UTF-8"}
    damaged, _ = preview_files(*ask(tmp_path))
    assert damaged.fault.startswith("damaged compressed data (")
