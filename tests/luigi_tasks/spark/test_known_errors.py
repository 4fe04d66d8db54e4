"""What people are told of errors of Spark: lines as Spark 4.1 and Java 25 leave them in the log."""

import pytest

from luigi_tasks import config
from luigi_tasks.spark.known_errors import explain, explain_start


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("Invalid maximum heap size: -Xmx1x", "key driver_memory: '1g' does not do (Invalid maximum heap size"),
        ("E: Insufficient driver memory: System memory 64 must be at least 471.", "'1g' does not do (Insufficient"),
        ("SparkException: Could not parse Master URL: 'sparkle'", "key master: 'local[*]' is none that Spark knows"),
        ("Reason: All masters are unresponsive! Giving up.", "no Spark master answers at local[*]; nothing was"),
        ("OutOfMemoryError: unable to create native thread: x", "may have no more processes and threads (ulimit -u,"),
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
        ("ConnectionRefusedError: [Errno 111] Connection refused", "Java is gone: it was killed, as the kernel does"),
        (
            "py4j.protocol.Py4JNetworkError: Answer from Java side is empty",
            "Java is gone: it was killed, as the",
        ),
        ("MemoryError", "Python has not enough memory beside Java (MemoryError)"),
        ("ImportError: a.so: failed to map segment from shared object", "Python has not enough memory beside Java"),
        ("ArrowMemoryError: malloc of size 64 failed", "Python has not enough memory beside Java"),
        ("Python worker exited unexpectedly (crashed): 3", "a Python worker of Spark was killed, as the kernel does"),
        (
            "OSError: [Errno 5] AWS Error ACCESS_DENIED during PutObject operation: Access Denied",
            "landing folder, refuses or does not answer (AWS Error ACCESS_DENIED during PutObject operation: Access D",
        ),
        ("OSError: [Errno 28] No space left on device: 'a'", ": No space left on device; nothing was"),
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


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (
            "Error opening zip file : /opt/agent.jar\nError occurred during initialization of VM",
            "or with a cluster JAVA_TOOL_OPTIONS (Error opening zip file : /opt/agent.jar); nothing",
        ),
        (
            "Could not allocate compressed class space: 107 bytes",
            "Java does not get the memory that it asks for",
        ),
        ("Caused by: java.lang.NullPointerException: invalid null input: name", "has no name, which Java needs"),
        ("OSError: [Errno 101] Network is unreachable", "over the network of this machine (Network is unreachable)"),
        ("ERROR DiskBlockManager: Failed to create any local dir.", "no folder for temporary files is writable: "),
        (
            "py4j.Py4JJavaError: An error occurred\n: java.lang.ClassNotFoundException: com.corp.Y\n\tat a.b.C",
            "Spark does not start (java.lang.ClassNotFoundException: com.corp.Y); nothing was changed; ",
        ),
        ("a.B: c\nCaused by: d.E: f\nValueError: g", "Spark does not start (d.E: f); nothing was changed; "),
        (
            "26/11/30 09:46:00 INFO SparkContext: Running",
            "Spark does not start (it left no word); nothing was",
        ),
    ],
)
def test_explain_start__names_the_cause_in_a_sentence(tmp_path, lines, said):
    log = tmp_path / "spark.log"
    log.write_text(f"WARNING: package x not in y\n{lines}\n")
    told = explain_start(log)
    assert said in told
    assert "\n" not in told
    assert told.endswith(f"; the whole log: {log}")
