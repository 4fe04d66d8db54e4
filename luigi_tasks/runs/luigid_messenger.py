"""Tells luigid what a run does: a program of its own, so that nothing luigid does or fails to do reaches the run.

    python -I luigi_tasks/runs/luigid_messenger.py SECONDS < FILE

FILE is read from its start while the run appends to it. Its first line is luigid's URL and the dashboard's token, as
JSON: `[URL, TOKEN]`; each further line is one call: `[METHOD, {ARGUMENT: VALUE, …}]`. Within SECONDS, standard output
gets one line: empty if luigid answers at the URL, else why it does not, and the program ends. Errors of later calls are
ignored: a dashboard that misses one shows the next.

On SIGTERM, which also comes when the run ends in any way, it delivers what is left, for a bounded time.
"""

import base64
import json
import os
import signal
import sys
import time
import urllib.request
from collections.abc import Iterator
from http.client import HTTPException
from urllib.parse import urlencode, urlsplit

SECONDS_A_CALL = 5.0
"""How long luigid may be silent during a call before the next one is tried."""
SECONDS_FOR_THE_REST = 2.0
"""How long the run, once it has ended, waits for the calls that are left."""
POLL_SECONDS = 0.05
CHUNK = 1 << 16
"""Bytes read at a time."""
LONGEST_ANSWER = 1 << 16
"""Bytes read of an answer: far more than luigid's is long."""
HARMLESS_METHOD = "is_pause_enabled"
"""A call that changes nothing, and that luigid answers in a way of its own."""

TOKEN_HEADER = "X-Dashboard-Token"
"""What `socialmart dashboard` wants of a call that changes something."""

_has_run_ended = False


def main() -> None:
    """Say whether luigid answers, and pass on calls until the run ends."""
    signal.signal(signal.SIGTERM, _end_soon)
    lines = read_lines()
    luigid = Luigid(*json.loads(next(lines)))
    reason = luigid.find_fault(float(sys.argv[1]))
    sys.stdout.write(f"{reason or ''}\n")
    sys.stdout.flush()
    if reason is None:
        for line in lines:
            luigid.pass_on(line)


class Luigid:
    """A server that should be luigid, at a URL that may have a user and a password; "" is no token."""

    def __init__(self, url: str, token: str) -> None:
        parts = urlsplit(url)
        place = parts.netloc.rpartition("@")[2]
        self._base = f"{parts.scheme}://{place}{parts.path.rstrip('/')}/api/"
        self._headers = {TOKEN_HEADER: token} if token else {}
        if parts.username:
            login = f"{parts.username}:{parts.password or ''}"
            self._headers["Authorization"] = "Basic " + base64.b64encode(login.encode()).decode()
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def find_fault(self, seconds: float) -> str | None:
        """Why what is at the URL is not luigid; None if it is."""
        try:
            answer = json.loads(self._call(HARMLESS_METHOD, {}, seconds))
            is_luigid = isinstance(answer["response"]["enabled"], bool)
        except OSError as error:
            return " ".join(str(getattr(error, "reason", error)).split()) or type(error).__name__
        except (HTTPException, ValueError, KeyError, TypeError, RecursionError):
            is_luigid = False
        return None if is_luigid else "what answers there is not luigid"

    def pass_on(self, line: bytes) -> None:
        """Make the call in a line. What goes wrong is ignored."""
        try:
            method, arguments = json.loads(line)
            self._call(method, arguments, SECONDS_A_CALL)
        except (OSError, HTTPException, ValueError):
            return

    def _call(self, method: str, arguments: dict[str, object], seconds: float) -> bytes:
        data = urlencode({"data": json.dumps(arguments)}).encode()
        request = urllib.request.Request(self._base + method, data, self._headers)
        with self._opener.open(request, timeout=seconds) as answer:
            return answer.read(LONGEST_ANSWER)


def read_lines() -> Iterator[bytes]:
    """Yield the lines that were and are appended to standard input, a file, until the run has ended."""
    offset, unfinished = 0, b""
    while True:
        has_ended = _has_run_ended
        chunk = os.pread(sys.stdin.fileno(), CHUNK, offset)
        offset += len(chunk)
        *lines, unfinished = (unfinished + chunk).split(b"\n")
        yield from lines
        if not chunk:
            if has_ended:
                return
            time.sleep(POLL_SECONDS)


def _end_soon(number: int, frame: object) -> None:
    global _has_run_ended
    if not _has_run_ended:
        _has_run_ended = True
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_REAL, SECONDS_FOR_THE_REST)


if __name__ == "__main__":
    main()
