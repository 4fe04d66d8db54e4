"""Documents as the Extract checkpoint holds them."""

import json

import pyarrow as pa

from spark_jobs.extraction.documents import Row, build_document_row
from spark_jobs.extraction.parsing import parse_json
from spark_jobs.schemas import DOCUMENTS

Files = dict[tuple[str, str], list[object]]
"""The documents of each file, by batch and file; a text is a document's own JSON."""


def extract_documents(files: Files) -> pa.RecordBatch:
    """The rows of the files' documents."""
    rows: list[Row] = []
    for (batch, file), documents in sorted(files.items()):
        for position, document in enumerate(documents):
            text = document if isinstance(document, str) else json.dumps(document)
            where = {"batch": batch, "file": file, "position": position}
            rows.append(where | build_document_row(parse_json(text.encode()), text))
    return pa.RecordBatch.from_pylist(rows, DOCUMENTS)
