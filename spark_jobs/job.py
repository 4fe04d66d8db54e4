"""What every job has in common: a request file in, a Spark session, a result file out."""

import argparse
import json
from collections.abc import Callable
from functools import reduce
from pathlib import Path
from typing import Any

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import StructType

SESSION_SETTINGS = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
    "spark.sql.execution.arrow.maxRecordsPerBatch": "2000",
}
"""Settings that the results depend on; what only tunes comes from luigi.cfg by way of spark-submit."""


def main(description: str, run: Callable[[SparkSession, dict[str, Any]], dict[str, Any]]) -> None:
    """Run a job as `spark-submit JOB REQUEST RESULT`: both files hold JSON, the result is written last."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("request", type=Path)
    parser.add_argument("result", type=Path)
    arguments = parser.parse_args()
    request = json.loads(arguments.request.read_text(encoding="utf-8"))
    spark = session(request["name"])
    try:
        result = run(spark, request)
    finally:
        spark.stop()
    arguments.result.write_text(json.dumps(result), encoding="utf-8")


def session(name: str) -> SparkSession:
    builder = SparkSession.builder.appName(name)
    for key, value in SESSION_SETTINGS.items():
        builder = builder.config(key, value)
    return builder.getOrCreate()


def parquet(spark: SparkSession, schema: str | StructType, *paths: str) -> DataFrame:
    """The rows of Parquet folders, whose names are taken as they are and not as patterns."""
    return spark.read.schema(schema).option("__globPaths__", "false").parquet(*paths)


def content_fingerprint(columns: list[str]) -> Column:
    """An aggregate that is the same for the same rows in any order and any number of files.

    Nulls are hashed as such: Spark's xxhash64 passes over them, so that (null, 'a') would equal ('a', null).
    """
    row = F.xxhash64(*columns, *(F.col(name).isNull() for name in columns))
    low_half = F.shiftrightunsigned(row, 32)
    parts = (F.count(F.lit(1)), F.bit_xor(row), F.sum(low_half))
    return F.concat_ws("-", *(F.lower(F.hex(part)) for part in parts))


def union(frames: list[DataFrame]) -> DataFrame:
    """All rows of frames with the same columns."""
    return reduce(lambda first, second: first.unionByName(second), frames)
