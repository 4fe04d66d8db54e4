"""Messages between Luigi and the Spark jobs: typed requests and results, and how they are written and read."""

from spark_jobs.messages.codec import MessageError, from_json, read_message, require_writable, to_json, write_message
from spark_jobs.messages.jobs import (
    BatchToClean,
    BatchToExtract,
    CleanCounts,
    CleanedBatch,
    CleanRequest,
    CleanResult,
    EntityOutcome,
    ExtractedBatch,
    ExtractRequest,
    ExtractResult,
    FileFault,
    FileToRead,
    JobProgress,
    TableFacts,
    Tell,
)

__all__ = [
    "BatchToClean",
    "BatchToExtract",
    "CleanCounts",
    "CleanRequest",
    "CleanResult",
    "CleanedBatch",
    "EntityOutcome",
    "ExtractRequest",
    "ExtractResult",
    "ExtractedBatch",
    "FileFault",
    "FileToRead",
    "JobProgress",
    "MessageError",
    "TableFacts",
    "Tell",
    "from_json",
    "read_message",
    "require_writable",
    "to_json",
    "write_message",
]
