"""The same records give the same tables, however they are written: nested or flat, JSON or CSV, packed, split."""

import bz2
import csv
import gzip
import io
import json
import lzma
import os
import random
import shutil
import tarfile
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import zstandard
from project import MakeProject
from pyspark import SparkContext

from spark_jobs.cleaning import job as cleaning
from spark_jobs.extraction import job as extraction
from spark_jobs.messages import BatchToClean, BatchToExtract, CleanRequest, ExtractRequest, FileToRead
from spark_jobs.schemas import ENTITY_TABLES, EXTRACT_TABLES, REACTIONS, TABLES

Row = dict[str, Any]
Files = dict[str, bytes]
PLACE = {"batch", "file", "position", "post_index", "comment_index"}
WORDS = (
    "sun",
    "sea, sand",
    '"quoted"',
    "two\nlines",
    "Ünïcode",
    "semi;colon",
    "tab\tbed",
    "İstanbul",
    "🥪",
    "a'b",
    "-1",
)
SEEDS = [int(os.environ["FAULTS_SEED"]) + number for number in range(3)]


class Export:
    """Random users, posts and comments: each post has an author among the users, keys come again. Posts are in the
    order that they have in documents, as the last of a key counts."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self.users = [self._make_user() for _ in range(12)]
        places = {user["user_id"]: place for place, user in enumerate(self.users)}
        self.posts = sorted((self._make_post() for _ in range(25)), key=lambda post: places[post["user_id"]])
        self.comments = [self._make_comment() for _ in range(40)]

    def _text(self) -> str:
        return " ".join(self._random.choices(WORDS, k=self._random.randrange(1, 4)))

    def _maybe(self, value: object) -> object:
        return value if self._random.random() < 0.7 else None

    def _time(self) -> str:
        return (
            f"20{self._random.randrange(10, 25)}-0{self._random.randrange(1, 9)}-17 1{self._random.randrange(9)}:02:03"
        )

    def _make_user(self) -> Row:
        fields = {"username": self._text(), "email": "A@example.net", "name": self._text(), "age": "41"}
        fields |= {"gender": "Female", "date_created": self._time()}
        return {"user_id": f"u{self._random.randrange(9)}"} | {
            name: self._maybe(value) for name, value in fields.items()
        }

    def _make_post(self) -> Row:
        counts = {name: self._maybe(str(self._random.randrange(-1, 9))) for name in ("shares", *REACTIONS)}
        fields = {"post_text": self._text(), "location": self._text(), "timestamp": self._time()}
        keys = {"post_id": f"p{self._random.randrange(20)}", "user_id": self._random.choice(self.users)["user_id"]}
        tags = self._random.choices(("art", "#Tech", "a,b", "Ünï"), k=self._random.randrange(3))
        return keys | {name: self._maybe(value) for name, value in fields.items()} | counts | {"tags": tags}

    def _make_comment(self) -> Row:
        post = self._random.choice(self.posts)
        fields = {"user_id": f"u{self._random.randrange(12)}", "comment": self._text(), "timestamp": self._time()}
        return {"post_id": post["post_id"]} | {name: self._maybe(value) for name, value in fields.items()}

    def nest(self) -> list[Row]:
        """A document a user; the last post of a key has the comments, as the order of comments does not matter."""
        documents = [dict(user, posts=[]) for user in self.users]
        last = {user["user_id"]: document for user, document in zip(self.users, documents, strict=True)}
        nested: dict[str, Row] = {}
        for post in self.posts:
            found = {name: value for name, value in post.items() if name not in ("user_id", *REACTIONS)}
            found |= {"reactions": {name: post[name] for name in REACTIONS}, "comments": []}
            nested[post["post_id"]] = found
            last[post["user_id"]]["posts"].append(found)
        for comment in self.comments:
            nested[comment["post_id"]]["comments"].append({k: v for k, v in comment.items() if k != "post_id"})
        return documents


def write_csv(rows: list[Row], delimiter: str = ",") -> bytes:
    page = io.StringIO()
    writer = csv.DictWriter(page, list(rows[0]), delimiter=delimiter)
    writer.writeheader()
    for row in rows:
        writer.writerow({name: json.dumps(value) if name == "tags" else value for name, value in row.items()})
    return page.getvalue().encode()


def write_lines(rows: Iterable[Row]) -> bytes:
    return "\n".join(json.dumps(row) for row in rows).encode()


def flatten(export: Export, write: Callable[[list[Row]], bytes], extension: str, parts: int = 1) -> Files:
    """A file or several for each entity."""
    files = {}
    for name, rows in (("users", export.users), ("posts", export.posts), ("comments", export.comments)):
        size = -(-len(rows) // parts)
        for number in range(parts):
            if of_part := rows[number * size : (number + 1) * size]:
                files[f"{name}-{number}.{extension}"] = write(of_part)
    return files


def zip_files(files: Files) -> Files:
    page = io.BytesIO()
    with zipfile.ZipFile(page, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(f"export/{name}", content)
    return {"all.zip": page.getvalue()}


def tar_files(files: Files) -> Files:
    page = io.BytesIO()
    with tarfile.open(fileobj=page, mode="w:gz") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(f"export/{name}")
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return {"all.tgz": page.getvalue()}


def pack(files: Files, compress: Callable[[bytes], bytes], extension: str) -> Files:
    return {f"{name}.{extension}": compress(content) for name, content in files.items()}


VARIANTS: dict[str, Callable[[Export], Files]] = {
    "nested array": lambda export: {"all.json": json.dumps(export.nest(), indent=4).encode()},
    "nested lines, gzip": lambda export: {"all.jsonl.gz": gzip.compress(write_lines(export.nest()))},
    "CSV": lambda export: flatten(export, write_csv, "csv"),
    "CSV with semicolons, many files": lambda export: flatten(export, lambda rows: write_csv(rows, ";"), "csv", 4),
    "CSV with tabs and a byte order mark": lambda export: flatten(
        export, lambda rows: b"\xef\xbb\xbf" + write_csv(rows, "\t"), "tsv"
    ),
    "CSV, zip": lambda export: zip_files(flatten(export, write_csv, "csv", 2)),
    "CSV, bzip2": lambda export: pack(flatten(export, write_csv, "csv"), bz2.compress, "bz2"),
    "lines": lambda export: flatten(export, write_lines, "jsonl", 3),
    "lines, zstd": lambda export: pack(flatten(export, write_lines, "jsonl"), zstandard.compress, "zst"),
    "lines, xz": lambda export: pack(flatten(export, write_lines, "jsonl", 2), lzma.compress, "xz"),
    "lines, tar": lambda export: tar_files(flatten(export, write_lines, "jsonl")),
    "array, flat": lambda export: flatten(export, lambda rows: json.dumps(rows, indent=1).encode(), "json"),
}


@pytest.fixture(scope="module")
def tables(spark: SparkContext, tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[int, str], dict[str, Counter]]:
    """By seed and variant, the rows of each table without their places; all in one job, a batch each."""
    folder = tmp_path_factory.mktemp("variants")
    cases = [(seed, variant) for seed in SEEDS for variant in VARIANTS]
    batches = []
    for number, (seed, variant) in enumerate(cases):
        landed = folder / f"batch-{number}"
        landed.mkdir()
        for name, content in VARIANTS[variant](Export(seed)).items():
            (landed / name).write_bytes(content)
        files = [FileToRead(path.name, str(path)) for path in sorted(landed.iterdir())]
        batches.append(BatchToExtract(f"{number:02}", files))
    request = ExtractRequest(batches, str(folder / "extract"), None)
    extracted = extraction.run(spark, request, lambda progress: None).batches
    assert [batch.fault for batch in extracted] == [None] * len(cases)
    to_clean = [
        BatchToClean(batch.name, [str(folder / "extract" / f"batch_no={number}" / table) for table in EXTRACT_TABLES])
        for number, batch in enumerate(batches)
    ]
    clean = CleanRequest(to_clean, str(folder / "clean"), impute_age=False, fill_in_users=False)
    cleaning.run(spark, clean, lambda progress: None)
    return {case: read_tables(folder / "clean" / f"batch_no={number}") for number, case in enumerate(cases)}


def read_tables(folder: Path) -> dict[str, Counter]:
    return {
        table: Counter(
            repr([row[column] for column in TABLES[table] if column not in PLACE])
            for path in sorted((folder / table).glob("*.parquet"))
            for row in pq.read_table(path).to_pylist()
        )
        for table in ENTITY_TABLES.values()
    }


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("variant", VARIANTS)
def test_variants__give_the_same_users_posts_and_comments(tables, seed, variant):
    expected = tables[seed, "nested array"]
    assert all(expected.values())
    assert tables[seed, variant] == expected


@pytest.mark.slow
def test_variants__give_the_same_marts(make_project: MakeProject) -> None:
    """Each variant takes the place of the one before, as the batch that it is."""
    project, export = make_project(), Export(SEEDS[0])
    marts = {}
    for variant, write in VARIANTS.items():
        shutil.rmtree(project.landing)
        for name, content in write(export).items():
            project.land(f"2026-01-01/{name}", content)
        ran = project.run()
        assert ran.code == 0, ran.output
        marts[variant] = project.marts()
    expected = marts["nested array"]
    assert all(expected.values())
    assert {variant: found == expected for variant, found in marts.items()} == dict.fromkeys(VARIANTS, True)
