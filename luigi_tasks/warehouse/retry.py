"""Retries of whole transactions, after failures that pass by themselves."""

import logging
from collections.abc import Callable
from typing import TypeVar

from tenacity import RetryCallState, Retrying, retry_if_exception_type, wait_exponential_jitter

from luigi_tasks import config
from luigi_tasks.errors import PipelineError, TransientError
from luigi_tasks.warehouse import connection

FIRST_WAIT = 1
"""Seconds between the first two attempts, plus up to one at random, so that several processes do not retry at once."""
WAIT_FACTOR = 3
"""How many times longer each further wait is: a server takes seconds to restart, and minutes to recover."""

Result = TypeVar("Result")

logger = logging.getLogger(__name__)


def retry_transaction(title: str, work: Callable[[], Result]) -> Result:
    """Do `work`, which is one transaction or reads only, and return its result; repeat it after a TransientError.

    An attempt that failed was rolled back. Only one whose connection was lost during the commit may have taken effect;
    so `work` has to leave the same when it is done twice, as a load does, which replaces its batch and its marker
    together. Raises PipelineError, `title` in front, at the limits of [warehouse].
    """
    settings = config.read_section(config.warehouse)

    def prepare_attempt(state: RetryCallState) -> None:
        assert state.outcome is not None
        connection.forget_connections()
        logger.warning(
            "%s: %s: attempt %d of %d failed, the next in %.1f s",
            title,
            state.outcome.exception(),
            state.attempt_number,
            settings.retries,
            state.upcoming_sleep,
        )

    attempts = Retrying(
        retry=retry_if_exception_type(TransientError),
        wait=wait_exponential_jitter(multiplier=FIRST_WAIT, exp_base=WAIT_FACTOR),
        stop=lambda state: (
            state.attempt_number >= settings.retries or state.idle_for + state.upcoming_sleep > settings.retry_seconds
        ),
        before_sleep=prepare_attempt,
        reraise=True,
    )
    try:
        return attempts(work)
    except PipelineError as error:
        raise PipelineError(f"{title}: {error}") from error
