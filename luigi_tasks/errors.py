"""Errors that the user can fix: each is one sentence, shown without a traceback."""


class PipelineError(Exception):
    """Bad input, a bad setting or a missing server, in one sentence: what, where, expected, found and what to do."""


class TransientError(PipelineError):
    """A failure of the warehouse that passes by itself: the same work may be tried again."""


class BatchStopped(PipelineError):
    """A batch that was refused (a broken file) or stopped by Audit: none of its data is loaded."""
