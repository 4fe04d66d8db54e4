"""Extract: landing files to one Parquet row a document, everything still as text.

    spark-submit extract.py REQUEST RESULT

The request names the batches, each with its files in order, and the staging folder; the result says, for every
batch, what was read, or which file is broken and where. One submit serves many batches.
"""

from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, cast

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import to_arrow_schema
from pyspark.sql.types import StructType

from spark_jobs import job
from spark_jobs.landing_files import BLANKS, TOO_DEEP, BrokenFile, Text, broken_by, open_export, parse, read_texts
from spark_jobs.records import Row, document_row
from spark_jobs.schemas import DOCUMENT_COLUMNS, NOT_JSON

BROKEN_FILE = "broken_file"

ROWS_A_BLOCK = 1_000
BYTES_A_BLOCK = 4 << 20

FILE_COLUMNS = "batch_no int, batch string, file string, path string"


def extract(files: DataFrame) -> DataFrame:
    """Landing files (batch_no, batch, file, path) to DOCUMENT_COLUMNS, one row a document, in the file's order.

    A file that is broken as a whole ends in a row with the fault `broken_file`.
    """
    schema = to_arrow_schema(cast(StructType, StructType.fromDDL(DOCUMENT_COLUMNS)))
    return files.mapInArrow(partial(_read_files, schema=schema), DOCUMENT_COLUMNS)


def _read_files(blocks: Iterable[pa.RecordBatch], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    for block in blocks:
        for file in block.to_pylist():
            where = {name: file[name] for name in ("batch_no", "batch", "file")}
            for rows in _in_blocks(read_documents(Path(file["path"]))):
                yield pa.RecordBatch.from_pylist([where | row for row in rows], schema)


def read_documents(path: Path) -> Iterator[tuple[Row, int]]:
    """The rows of one landing file, each with the bytes its text has; a broken file ends in a row that says so."""
    position = 0
    try:
        with open_export(path) as stream:
            for text in read_texts(stream):
                row = _row(text) | {"position": position, "byte_offset": text.offset}
                yield row, len(text.content)
                position += 1
    except BrokenFile as broken:
        yield {"position": position, "byte_offset": broken.offset, "fault": BROKEN_FILE, "reason": broken.reason}, 0
    except OSError as error:
        reason = f"cannot be read ({error.strerror})"
        yield {"position": position, "byte_offset": 0, "fault": BROKEN_FILE, "reason": reason}, 0


def _row(text: Text) -> Row:
    try:
        value = parse(text.content)
        return document_row(value, text.content.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        fault = ValueError(TOO_DEEP) if isinstance(error, RecursionError) else error
        if not text.is_line:
            raise broken_by(fault, text.content, text.offset, "document") from error
        raw = text.content.decode("utf-8", "backslashreplace").strip(BLANKS.decode())
        return {"fault": NOT_JSON, "reason": str(fault), "raw": raw}


def _in_blocks(documents: Iterator[tuple[Row, int]]) -> Iterator[list[Row]]:
    """Gather rows into blocks that are small enough to be held several times over."""
    rows: list[Row] = []
    size = 0
    for row, length in documents:
        rows.append(row)
        size += length
        if len(rows) >= ROWS_A_BLOCK or size >= BYTES_A_BLOCK:
            yield rows
            rows, size = [], 0
    if rows:
        yield rows


def run(spark: SparkSession, request: dict[str, Any]) -> dict[str, Any]:
    """Write the documents of all batches below `staging`, a folder `batch_no=N` each, and say what was written."""
    files = [
        (number, batch["name"], file["name"], file["path"])
        for number, batch in enumerate(request["batches"])
        for file in batch["files"]
    ]
    slices = max(1, min(len(files), 8 * spark.sparkContext.defaultParallelism))
    landing = spark.createDataFrame(spark.sparkContext.parallelize(files, slices), FILE_COLUMNS)
    documents_folder = f"{request['staging']}/documents"
    extract(landing).write.partitionBy("batch_no").mode("overwrite").parquet(documents_folder)
    documents = job.parquet(spark, DOCUMENT_COLUMNS, documents_folder)
    return {"batches": summarize(documents, len(request["batches"]))}


def summarize(documents: DataFrame, batches: int) -> list[dict[str, Any]]:
    """For each batch its rows and fingerprint, counted from what was written, and the first broken file."""
    columns = [name for name in documents.columns if name != "batch_no"]
    first_fault = F.min(F.when(F.col("fault") == BROKEN_FILE, F.struct("file", "byte_offset", "reason")))
    counted = documents.groupBy("batch_no").agg(
        F.count(F.lit(1)).alias("rows"),
        job.content_fingerprint(columns).alias("fingerprint"),
        first_fault.alias("fault"),
    )
    found = {row["batch_no"]: row for row in counted.collect()}
    return [_summary(found[number]) if number in found else _summary(None) for number in range(batches)]


def _summary(row: Any) -> dict[str, Any]:
    if row is None:
        return {"tables": {"documents": {"rows": 0, "fingerprint": "0"}}, "fault": None}
    return {
        "tables": {"documents": {"rows": row["rows"], "fingerprint": row["fingerprint"]}},
        "fault": row["fault"] and row["fault"].asDict(),
    }


if __name__ == "__main__":
    job.main("Extract documents from landing files.", run)
