"""Only jars that are byte for byte the pinned ones are used."""

import errno
import hashlib
import threading
from pathlib import Path

import pytest

from ops.embedded.jars import KAFKA, Pin, pins, provide
from ops.embedded.problems import Problem
from ops.embedded.progress import Reporter

CONTENT = b"a jar"
PIN = Pin("org.example:thing:1.0", hashlib.sha256(CONTENT).hexdigest(), len(CONTENT))
OTHER = Pin("org.example.more:other:2.0", hashlib.sha256(b"other").hexdigest(), 5)


class Told(Reporter):
    def __init__(self) -> None:
        self.downloads: list[tuple[int, int, str]] = []
        self.outcomes: list[str] = []

    def downloaded(self, _step: str, received: int, total: int, file: str) -> None:
        self.downloads.append((received, total, file))

    def ended(self, _step: str, outcome: str) -> None:
        self.outcomes.append(outcome)


def giving(content: bytes):
    def fetch(pin, into, came):
        file = into / pin.file
        file.parent.mkdir(parents=True)
        file.write_bytes(content)
        came(len(content))
        return file

    return fetch


def failing(error: Exception):
    def fetch(pin, into, came):
        raise error

    return fetch


def never(pin, into, came):
    raise AssertionError("nothing was to be downloaded")


def test_the_broker_is_pinned_whole():
    known = {pin.coordinate for pin in pins()}
    assert {f"org.apache.kafka:kafka_2.13:{KAFKA}", f"org.apache.kafka:kafka-clients:{KAFKA}"} <= known
    assert all(len(pin.sha256) == 64 and pin.size > 0 for pin in pins())


def test_a_jar_is_downloaded_once_with_progress_and_then_taken_from_the_cache(tmp_path):
    told = Told()
    jars = provide(tmp_path, told, wanted=[PIN], fetch=giving(CONTENT))
    assert jars == [tmp_path / "org/example/thing/1.0/thing-1.0.jar"]
    assert jars[0].read_bytes() == CONTENT
    assert told.downloads == [(5, 5, "thing-1.0.jar")]
    assert told.outcomes == ["1 jars, 0 MiB, every sha256 as pinned"]
    assert provide(tmp_path, told, wanted=[PIN], fetch=never) == jars


def test_a_damaged_jar_in_the_cache_is_replaced(tmp_path):
    damaged = tmp_path / PIN.file
    damaged.parent.mkdir(parents=True)
    damaged.write_bytes(b"a j")
    provide(tmp_path, Reporter(), wanted=[PIN], fetch=giving(CONTENT))
    assert damaged.read_bytes() == CONTENT


def test_a_jar_that_differs_from_its_pin_never_enters_the_cache(tmp_path):
    with pytest.raises(
        Problem, match=r"thing-1\.0\.jar is not the file that Comeback was tested with \(sha256 differs\)"
    ):
        provide(tmp_path, Reporter(), wanted=[PIN], fetch=giving(b"another"))
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_no_network_is_said_as_such_with_a_way_out(tmp_path):
    with pytest.raises(Problem, match=r"could not be downloaded \(ConnectionError\); is there a network\?") as caught:
        provide(tmp_path, Reporter(), wanted=[PIN, OTHER], fetch=failing(ConnectionError("refused")))
    assert f"copy {tmp_path}" in (caught.value.todo or "")


def test_a_disk_that_fills_up_is_not_called_a_network(tmp_path):
    with pytest.raises(Problem, match=f"The disk of {tmp_path} is full"):
        provide(tmp_path, Reporter(), wanted=[PIN], fetch=failing(OSError(errno.ENOSPC, "No space left on device")))


def test_a_download_can_be_given_up(tmp_path):
    given_up = threading.Event()
    given_up.set()
    with pytest.raises(Problem, match="given up"):
        provide(tmp_path, Reporter(), wanted=[PIN], fetch=giving(CONTENT), given_up=given_up)
    assert not (tmp_path / PIN.file).exists()


def test_where_a_jar_lies_follows_its_coordinate():
    assert OTHER.file == Path("org/example/more/other/2.0/other-2.0.jar")
