"""What people are told of errors of Spark: lines as Spark 4.1 and Java 25 leave them in the log."""

import pytest

from luigi_tasks import config
from luigi_tasks.spark.known_errors import explain


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("Invalid maximum heap size: -Xmx1x", "key driver_memory: '1g' does not do (Invalid maximum heap size"),
        ("E: Insufficient driver memory: System memory 64 must be at least 471.", "'1g' does not do (Insufficient"),
        ("SparkException: Could not parse Master URL: 'sparkle'", "key master: 'local[*]' is none that Spark knows"),
        ("Reason: All masters are unresponsive! Giving up.", "no Spark master answers at local[*]; nothing was"),
        ("Caused by: java.lang.OutOfMemoryError: Java heap space", "(java.lang.OutOfMemoryError: Java heap space)"),
        (
            "java.net.SocketException: Too many open files",
            "of this process is too low for Spark (Too many open",
        ),
        ("OSError: [Errno 27] File too large", "a limit of this process is too low for Spark (File too large)"),
        (
            "Could not reserve enough space for 1048576KB object heap",
            "process is too low for Spark (Could",
        ),
        (
            "java.lang.OutOfMemoryError: unable to create native thread: possibly",
            "limit of this process is too low",
        ),
        ("ConnectionRefusedError: [Errno 111] Connection refused", "Java is gone: it was killed, as the kernel does"),
        (
            "py4j.protocol.Py4JNetworkError: Answer from Java side is empty",
            "Java is gone: it was killed, as the",
        ),
        ("MemoryError", "Python has not enough memory beside Java (MemoryError)"),
        ("ImportError: a.so: failed to map segment from shared object", "Python has not enough memory beside Java"),
        ("ArrowMemoryError: malloc of size 64 failed", "Python has not enough memory beside Java"),
        ("Python worker exited unexpectedly (crashed): 3", "a Python worker of Spark was killed, as the kernel does"),
        ("OSError: [Errno 28] No space left on device: 'a'", "checkpoints: No space left on device; nothing was"),
    ],
)
def test_explain__says_what_is_wrong_and_what_to_do(tmp_path, monkeypatch, line, said):
    monkeypatch.setattr(config.read_section(config.spark), "driver_memory", "1g")
    log = tmp_path / "spark.log"
    log.write_text(f"\tat a.b.C\n{line}\n\tat d.e.F\n")
    told = explain("extract", log)
    assert told is not None
    assert told.startswith("extract: ")
    assert told.endswith(f"; the whole log: {log}")
    assert said in told


def test_explain__is_none_for_what_is_a_fault_of_the_program(tmp_path):
    log = tmp_path / "spark.log"
    log.write_text("KeyError: 'documents'\n")
    assert explain("extract", log) is None
