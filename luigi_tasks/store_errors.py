"""What an object store answers in place of what was asked for, as a sentence."""

from collections.abc import Iterator
from contextlib import contextmanager

from luigi_tasks import paths
from luigi_tasks.errors import PipelineError


@contextmanager
def translate_store_errors() -> Iterator[None]:
    """Raise an OSError about checkpoints in a store as a PipelineError."""
    try:
        yield
    except OSError as error:
        raise PipelineError(
            f"checkpoints folder {paths.checkpoints()}: the store refuses or does not answer "
            f"({error.strerror or error}); correct the bucket, [storage] or the credentials, and run again"
        ) from error
