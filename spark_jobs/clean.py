"""Clean: documents as text to the tables users, posts, comments, rejected and issues.

    spark-submit clean.py REQUEST RESULT

Every record of the input ends in one of three outcomes, and the ledger counts all three: `accepted` (a row of its
table), `superseded` (another record of the batch with the same key is the truth; the ledger's `duplicate`) or
`rejected`. One submit serves many batches; nothing here looks beyond one batch.
"""

from typing import Any

from pyspark.sql import Column, DataFrame, SparkSession, Window
from pyspark.sql import functions as F

from spark_jobs import job, rules
from spark_jobs.schemas import (
    DOCUMENT_COLUMNS,
    ENTITY_TABLES,
    MEASURES,
    NOT_A_LIST,
    NOT_AN_OBJECT,
    NOT_JSON,
    REACTIONS,
    TABLES,
)

ACCEPTED, SUPERSEDED, REJECTED = "accepted", "superseded", "rejected"
PLACE = ("batch_no", "batch", "file", "position")
INDEXES = ("post_index", "comment_index")
BOOKKEEPING = ("rules", "raw", "issues", "outcome")


def users(documents: DataFrame, impute_age: bool) -> DataFrame:
    """One row a document: the columns of `users` and BOOKKEEPING. Of a user's rows the last one is accepted."""
    user_id = rules.identifier("user_id", F.col("user_id"))
    fields = [
        user_id,
        rules.name("username", F.col("username")),
        rules.email(F.col("email")),
        rules.name("name", F.col("name")),
        rules.age(F.col("age")),
        rules.lower_name("gender", F.col("gender")),
        rules.time("date_created", F.col("date_created")),
    ]
    broken = rules.rejections(*_unusable(F.col("fault")), (_no_key(user_id, F.col("fault")), rules.MISSING_USER_ID))
    judged = documents.withColumn("rules", broken)
    cleaned = rules.clean(judged, fields, keep=(*PLACE, "rules", "raw"))
    ranked = _with_outcome(cleaned, key="user_id", latest=("file", "position"))
    filled = F.lit(None).cast("int")
    if impute_age:
        median = F.percentile("age", F.lit(0.5)).over(Window.partitionBy("batch_no", "outcome"))
        missing = F.col("age").isNull() & (F.col("outcome") == ACCEPTED)
        filled = F.when(missing, F.round(median)).cast("int")
    return (
        ranked.withColumn("filled", filled)
        .withColumns({"age": F.coalesce("age", "filled"), "age_imputed": F.col("filled").isNotNull()})
        .select(*_columns("users"), *BOOKKEEPING)
    )


def posts(documents: DataFrame) -> DataFrame:
    """One row a post of any document: the columns of `posts` and BOOKKEEPING. Of a post's rows the last is accepted."""
    post = F.col("post")
    user_id = rules.identifier("user_id", F.col("user_id"))
    post_id = rules.identifier("post_id", post["post_id"])
    counts = [rules.count("shares", post["shares"]), *rules.reactions(post["reactions"])]
    fields = [
        post_id,
        rules.text("post_text", post["post_text"]),
        rules.location(post["location"]),
        rules.time("timestamp", post["timestamp"]),
        rules.tags(post["tags"]),
    ]
    broken = rules.rejections(
        (user_id.value.isNull(), rules.PARENT_REJECTED),
        *_unusable(post["fault"]),
        (_no_key(post_id, post["fault"]), rules.MISSING_POST_ID),
    )
    exploded = documents.select(*PLACE, "user_id", F.posexplode("posts").alias("post_index", "post"))
    judged = exploded.withColumns(
        {"rules": broken, "raw": post["raw"], "malformed": post["malformed"], "user_id": user_id.value}
    )
    keep = (*PLACE, "post_index", "user_id", "rules", "raw")
    cleaned = rules.clean(judged, [*fields, *counts], keep, malformed="malformed").withColumnsRenamed(
        {"timestamp": "post_timestamp"} | {count.name: measure for count, measure in zip(counts, MEASURES, strict=True)}
    )
    ranked = _with_outcome(cleaned, key="post_id", latest=("file", "position", "post_index"))
    return ranked.select(*_columns("posts"), *BOOKKEEPING)


def comments(documents: DataFrame) -> DataFrame:
    """One row a comment of any post: the columns of `comments` and BOOKKEEPING. Of equal comments one is accepted."""
    comment = F.col("comment")
    user_id = rules.identifier("user_id", F.col("user_id"))
    post_id = rules.identifier("post_id", F.col("post_id"))
    commenter = rules.identifier("user_id", comment["user_id"])
    text = rules.text("comment", comment["comment"])
    moment = rules.time("timestamp", comment["timestamp"])
    broken = rules.rejections(
        (user_id.value.isNull() | post_id.value.isNull(), rules.PARENT_REJECTED), *_unusable(comment["fault"])
    )
    of_posts = documents.select(*PLACE, "user_id", F.posexplode("posts").alias("post_index", "post"))
    judged = (
        of_posts.select(*PLACE, "user_id", "post_index", F.col("post.post_id"), F.col("post.comments"))
        .select(*PLACE, "user_id", "post_index", "post_id", F.posexplode("comments").alias("comment_index", "comment"))
        .withColumns({"rules": broken, "raw": comment["raw"], "post_id": post_id.value})
    )
    key = rules.key_of(
        *(F.col(name) for name in ("post_id", "comment_user_id")), _as_text("comment_timestamp"), F.col("comment_text")
    )
    cleaned = (
        rules.clean(judged, [commenter, text, moment], keep=(*PLACE, *INDEXES, "post_id", "rules", "raw"))
        .withColumnsRenamed({"user_id": "comment_user_id", "timestamp": "comment_timestamp", "comment": "comment_text"})
        .withColumn("comment_text", F.coalesce("comment_text", F.lit("")))
        .withColumn("comment_key", key)
    )
    ranked = _with_outcome(cleaned, key="comment_key", latest=("file", "position", *INDEXES))
    return ranked.select(*_columns("comments"), *BOOKKEEPING)


def rejected(entity: str, records: DataFrame) -> DataFrame:
    """The rows of `rejected` from one entity's records."""
    return records.where(F.col("outcome") == REJECTED).select(
        *PLACE,
        *_indexes_of(records),
        F.lit(entity).alias("entity"),
        "rules",
        rules.without_nul(F.col("raw")).alias("raw"),
    )


def issues(entity: str, key: str, records: DataFrame) -> DataFrame:
    """The rows of `issues` from one entity's records; what is rejected as a whole has no issues besides."""
    kept = records.where((F.col("outcome") != REJECTED) & (F.size("issues") > 0))
    return kept.select(
        *PLACE, *_indexes_of(records), F.lit(entity).alias("entity"), F.col(key).alias("record_id"), F.inline("issues")
    )


def _unusable(fault: Column) -> list[tuple[Column, str]]:
    return [(fault == rule, rule) for rule in (NOT_JSON, NOT_AN_OBJECT, NOT_A_LIST)]


def _as_text(name: str) -> Column:
    return F.col(name).cast("string")


def _no_key(key: rules.Field, fault: Column) -> Column:
    return key.value.isNull() & fault.isNull()


def _with_outcome(records: DataFrame, key: str, latest: tuple[str, ...]) -> DataFrame:
    """Tell each record's outcome: of those of a batch with one key, the last in the order of `latest` is accepted."""
    is_rejected = F.size("rules") > 0
    same_key = Window.partitionBy("batch_no", is_rejected, key).orderBy(*(F.col(name).desc() for name in latest))
    outcome = F.when(is_rejected, REJECTED).when(F.row_number().over(same_key) == 1, ACCEPTED).otherwise(SUPERSEDED)
    return records.withColumn("outcome", outcome)


def _columns(table: str) -> list[str]:
    return ["batch_no", *TABLES[table]]


def _indexes_of(records: DataFrame) -> list[Column]:
    return [(F.col(name) if name in records.columns else F.lit(None).cast("int")).alias(name) for name in INDEXES]


def run(spark: SparkSession, request: dict[str, Any]) -> dict[str, Any]:
    """Write every table below `staging`, a folder `batch_no=N` each, and say what was read and written."""
    documents = _documents(spark, request["batches"])
    staging = request["staging"]
    built = {
        "user": users(documents, impute_age=request["settings"]["impute_age"]),
        "post": posts(documents),
        "comment": comments(documents),
    }
    records = {
        entity: _written(frame, f"{staging}/{ENTITY_TABLES[entity]}", "batch_no", "outcome")
        for entity, frame in built.items()
    }
    keys = {"user": "user_id", "post": "post_id", "comment": "post_id"}
    derived = {
        "rejected": job.union([rejected(_rejected_entity(entity), frame) for entity, frame in records.items()]),
        "issues": job.union([issues(entity, keys[entity], frame) for entity, frame in records.items()]),
    }
    others = {name: _written(frame, f"{staging}/{name}", "batch_no") for name, frame in derived.items()}
    return summarize(documents, records, others, len(request["batches"]))


def _rejected_entity(entity: str) -> str:
    """A document without a usable user is rejected as a document: there is no user to speak of."""
    return "document" if entity == "user" else entity


def _documents(spark: SparkSession, batches: list[dict[str, Any]]) -> DataFrame:
    paths = [path for batch in batches for path in batch["paths"]]
    numbers = spark.createDataFrame(
        [(number, batch["name"]) for number, batch in enumerate(batches)], "batch_no int, batch string"
    )
    schema = DOCUMENT_COLUMNS.removeprefix("batch_no int, ")
    documents = job.parquet(spark, schema, *paths) if paths else spark.createDataFrame([], schema)
    return documents.join(F.broadcast(numbers), on="batch", how="inner")


def _written(frame: DataFrame, folder: str, *partitions: str) -> DataFrame:
    """Write the frame and give back what was written."""
    frame.write.partitionBy(*partitions).mode("overwrite").parquet(folder)
    return job.parquet(frame.sparkSession, frame.schema, folder)


def summarize(
    documents: DataFrame, records: dict[str, DataFrame], others: dict[str, DataFrame], batches: int
) -> dict[str, Any]:
    """For each batch the counts that the ledger balances and the tables' rows and fingerprints.

    `read` is counted in the documents, everything else in what was written, so that a record lost between the two
    shows.
    """
    read = _by_batch(_read_counts(documents))
    outcomes = {entity: _by_batch_and_outcome(_outcome_counts(entity, frame)) for entity, frame in records.items()}
    tables = {name: _by_batch(_table_counts(name, frame)) for name, frame in others.items()}
    drift = _by_batch(
        documents.select("batch_no", F.explode("unknown_fields").alias("name"))
        .groupBy("batch_no")
        .agg(F.array_sort(F.collect_set("name")).alias("names"))
    )
    return {
        "batches": [
            {
                "read": read.get(number, {}),
                "outcomes": {entity: found.get(number, {}) for entity, found in outcomes.items()},
                "tables": {name: found.get(number, {"rows": 0, "fingerprint": "0"}) for name, found in tables.items()},
                "drift": drift.get(number, {"names": []})["names"],
            }
            for number in range(batches)
        ]
    }


def _read_counts(documents: DataFrame) -> DataFrame:
    def in_posts(measured: Column) -> Column:
        return F.aggregate(measured, F.lit(0).cast("bigint"), lambda total, value: total + value)

    def sum_of(name: str, count_of: Any) -> Column:
        return F.sum(in_posts(F.transform("posts", count_of))).alias(name)

    def reaction(name: str) -> Any:
        return lambda post: rules.count(name, post["reactions"][name]).value

    identified = rules.identifier("user_id", F.col("user_id")).value.isNotNull()
    names = dict(zip(MEASURES[1:], REACTIONS, strict=True))
    return documents.groupBy("batch_no").agg(
        F.count(F.lit(1)).alias("documents"),
        F.count_if(identified).alias("users"),
        F.sum(F.coalesce(F.size("posts"), F.lit(0)).cast("bigint")).alias("posts"),
        sum_of("comments", lambda post: F.coalesce(F.size(post["comments"]), F.lit(0)).cast("bigint")),
        sum_of("shares", lambda post: rules.count("shares", post["shares"]).value),
        *(sum_of(measure, reaction(name)) for measure, name in names.items()),
    )


def _outcome_counts(entity: str, records: DataFrame) -> DataFrame:
    columns = [name for name in records.columns if name not in ("batch_no", *BOOKKEEPING)]
    measures = MEASURES if entity == "post" else ()
    return records.groupBy("batch_no", "outcome").agg(
        F.count(F.lit(1)).alias("rows"),
        job.content_fingerprint(columns).alias("fingerprint"),
        *(F.sum(name).alias(name) for name in measures),
    )


def _table_counts(name: str, frame: DataFrame) -> DataFrame:
    columns = list(TABLES[name])
    return frame.groupBy("batch_no").agg(
        F.count(F.lit(1)).alias("rows"), job.content_fingerprint(columns).alias("fingerprint")
    )


def _by_batch(counted: DataFrame) -> dict[int, dict[str, Any]]:
    rows = (row.asDict() for row in counted.collect())
    return {
        row.pop("batch_no"): {name: value or 0 if value is None else value for name, value in row.items()}
        for row in rows
    }


def _by_batch_and_outcome(counted: DataFrame) -> dict[int, dict[str, dict[str, Any]]]:
    found: dict[int, dict[str, dict[str, Any]]] = {}
    for row in (row.asDict() for row in counted.collect()):
        found.setdefault(row.pop("batch_no"), {})[row.pop("outcome")] = row
    return found


if __name__ == "__main__":
    job.main("Clean documents into tables.", run)
