"""Errors that are somebody's to mend, not the program's."""


class PipelineError(Exception):
    """What, where, expected, found and what to do, in one sentence: bad input, a bad setting, a missing server.

    It is shown without a traceback.
    """


class TransientError(PipelineError):
    """The warehouse failed in a way that passes by itself: what was tried may be tried again."""


class BatchStopped(PipelineError):
    """A batch was refused (a broken file) or stopped by Audit; nothing of it is loaded."""
