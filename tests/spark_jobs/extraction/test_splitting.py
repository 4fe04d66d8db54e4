"""Large plain files are split where a document begins; all others stay whole."""

import gzip
import json
from pathlib import Path

import pytest

from spark_jobs.extraction import splitting
from spark_jobs.extraction.splitting import WHOLE_FILE, split_file

DOCUMENTS = [{"user_id": f"u{number}", "posts": [{"post_id": f"p{number}"}]} for number in range(200)]
ARRAY = json.dumps(DOCUMENTS, indent=4).encode()
LINES = "\n".join(map(json.dumps, DOCUMENTS)).encode()


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(splitting, "PIECE_BYTES", 1000)


def split(path: Path, content: bytes) -> list[bytes]:
    path.write_bytes(content)
    return [content[piece.start : piece.end] for piece in split_file(path)]


@pytest.mark.parametrize("content", [ARRAY, ARRAY.replace(b"\n", b"\r\n"), LINES, b"\xef\xbb\xbf" + ARRAY])
def test_split_file__gives_pieces_that_begin_with_a_document_and_make_up_the_file(tmp_path, content):
    pieces = split(tmp_path / "a", content)
    assert b"".join(pieces) == content
    assert len(pieces) > 5
    assert all(piece.lstrip().startswith(b"{") and b'"user_id"' in piece[:40] for piece in pieces[1:])
    assert all(len(piece) <= 2000 for piece in pieces[:-1])


@pytest.mark.parametrize(
    "content",
    [
        b"",
        ARRAY[:1999],
        json.dumps(DOCUMENTS).encode(),
        json.dumps({"posts": DOCUMENTS}, indent=1).encode(),
        gzip.compress(ARRAY, compresslevel=0),
        ARRAY.decode().encode("utf-16"),
    ],
    ids=["empty", "small", "array on one line", "one document", "compressed", "UTF-16"],
)
def test_split_file__leaves_others_whole(tmp_path, content):
    assert split(tmp_path / "a", content) == [content]


def test_split_file__leaves_a_file_whole_that_has_too_few_line_ends(tmp_path, monkeypatch):
    monkeypatch.setattr(splitting, "LONGEST_PIECE_BYTES", 4000)
    long_line = json.dumps({"user_id": "x" * 5000}).encode()
    assert split(tmp_path / "a", LINES + b"\n" + long_line + b"\n" + LINES) != [LINES]
    assert len(split(tmp_path / "a", LINES)) > 1
    assert len(split(tmp_path / "a", LINES + b"\n" + long_line + b"\n" + LINES)) == 1


def test_split_file__leaves_the_error_to_the_reader_of_a_file_that_is_gone(tmp_path):
    assert split_file(tmp_path / "gone") == [WHOLE_FILE]
