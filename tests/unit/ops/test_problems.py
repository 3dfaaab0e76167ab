"""Failures are told in one sentence, with what to do and where to look."""

import errno
import os
from pathlib import Path

import pytest

from ops.embedded.problems import Problem, explain, of_os_error, tail, telling_line


def test_a_problem_reads_as_sentences_with_its_log_last():
    problem = Problem("Port 8080 is in use by nginx", todo="Choose another", where=Path("a.log"))
    assert str(problem) == "Port 8080 is in use by nginx. Choose another. Log: a.log"


BIND_FAILED = "org.apache.kafka.common.KafkaException: Socket server failed to bind to 127.0.0.1:1: Address in use."


@pytest.mark.parametrize(
    ("logged", "told"),
    [
        (
            f"INFO fine\n{BIND_FAILED}\n\tat kafka.network.Acceptor.openServerSocket(SocketServer.scala:715)\n",
            BIND_FAILED,
        ),
        (
            "Traceback (most recent call last):\n  File 'x.py', line 1\nModuleNotFoundError: No module named 'auth'\n\n",
            "ModuleNotFoundError: No module named 'auth'",
        ),
        (
            "2026 UTC [7] FATAL:  data directory is wrong\n2026 UTC [7] LOG:  shut down\n",
            "FATAL:  data directory is wrong",
        ),
        (
            '{"event": "up", "level": "info"}\n{"event": "no database", "level": "error"}\n{"event": "bye"}',
            "no database",
        ),
        ("one\ntwo\n", "two"),
    ],
)
def test_the_telling_line_is_the_last_error_else_the_last_line(logged, told):
    line = telling_line(logged.splitlines())
    assert line is not None
    assert told in line


@pytest.mark.parametrize(
    ("logged", "said"),
    [
        ("ERROR java.io.IOException: No space left on device\nERROR Shutdown broker", "the disk is full"),
        ('PANIC:  could not write to file "pg_wal/x": No space left on device', "the disk is full"),
        ("Caused by: java.net.BindException: Address already in use", "a port it needs is already in use"),
        ("Error: Could not reserve enough space for object heap", "there is not enough memory"),
        ("FATAL: could not create lock file: Read-only file system", "its folder can only be read"),
    ],
)
def test_a_known_cause_is_named_and_comes_with_what_to_do(tmp_path, logged, said):
    log = tmp_path / "kafka.log"
    log.write_text(logged + "\nsomething else\n")
    problem = explain("Kafka", "did not start", log)
    assert problem.what == f"Kafka did not start: {said}"
    assert problem.todo
    assert problem.where == log


def test_what_an_earlier_run_logged_explains_nothing(tmp_path):
    log = tmp_path / "kafka.log"
    log.write_text("No space left on device\n")
    since = log.stat().st_size
    assert str(explain("Kafka", "did not start", log, since)) == f"Kafka did not start and said nothing. Log: {log}"


def test_a_log_that_was_cut_since_is_read_from_its_beginning(tmp_path):
    log = tmp_path / "a.log"
    log.write_text("short\n")
    assert tail(log, since=1000) == ["short"]


def test_a_log_that_is_not_there_has_no_lines(tmp_path):
    assert tail(tmp_path / "none.log") == []


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (errno.ENOSPC, "Comeback cannot go on in data: the disk is full."),
        (errno.EROFS, "Comeback cannot go on in data: its folder can only be read."),
        (errno.EACCES, "Comeback cannot go on in data: Permission denied (a.json)."),
    ],
)
def test_what_the_system_refused_us_is_told_as_a_problem_too(number, said):
    assert str(of_os_error(OSError(number, os.strerror(number), "a.json"), Path("data"))).startswith(said)
