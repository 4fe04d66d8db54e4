"""Digests of rows, which keys in the warehouse are made of."""

import pyarrow as pa

from spark_jobs.cleaning.values import digest_rows, read_digests, write_digests


def digests(*records: tuple[str | None, ...]) -> list[str]:
    joined = digest_rows(*(pa.array(part, pa.string()) for part in zip(*records, strict=True)))
    written = write_digests(joined)
    assert read_digests(written) == joined
    return written.to_pylist()


def test_digest_rows__differ_where_any_part_does():
    parts = [("a", "b"), ("ab", ""), ("", "ab"), ("ab", None), (None, "ab"), (None, None), ("1:a", "b"), ("-", "-")]
    found = digests(*parts)
    assert len(set(found)) == len(parts)
    assert {len(digest) for digest in found} == {32}


def test_digest_rows__stay_what_they_were():
    """Keys in the warehouse were made with them: another recipe would count every comment twice."""
    assert digests(("p1", None, "é")) == ["3e11dfeb1f83762aac725dcb617ac984"]
