"""Ports are chosen once and remembered; a taken one is said or given way to, as people would want."""

import errno
import json
import os
import socket
from collections.abc import Iterator

import pytest

from ops.embedded.ports import HOST, Wish, choose, is_free, next_free
from ops.embedded.problems import Problem


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.create_server((HOST, 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def free() -> int:
    return next_free(21_000 + os.getpid() % 5_000, set())


def test_a_port_that_someone_listens_on_is_not_free(taken):
    assert not is_free(taken)


def test_a_known_port_in_use_names_its_holder_and_the_option(tmp_path, taken):
    with pytest.raises(Problem) as caught:
        choose([Wish("portal", taken, fixed=True)], {}, tmp_path / "ports.json")
    assert caught.value.what.startswith(f"Port {taken}, wanted for portal, is in use by ")
    assert f"(process {os.getpid()})" in caught.value.what
    assert "--portal-port" in (caught.value.todo or "")


@pytest.mark.parametrize("host", ["192.0.2.1", "no address"])
def test_an_address_of_another_machine_is_told_as_such_and_not_as_a_port_in_use(tmp_path, free, host):
    with pytest.raises(Problem, match=f"^{host} is no address of this machine") as caught:
        choose([Wish("portal", free, fixed=True, host=host)], {}, tmp_path / "ports.json")
    assert "--host" in (caught.value.todo or "")


def test_a_port_for_the_superuser_only_is_told_as_such(tmp_path, monkeypatch):
    def denied(_port, _host):
        return PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("ops.embedded.ports._obstacle", denied)
    with pytest.raises(Problem, match="Port 80, wanted for portal, is open to the superuser only"):
        choose([Wish("portal", 80, fixed=True)], {}, tmp_path / "ports.json")


def test_a_chosen_port_in_use_is_refused_even_where_another_would_do(tmp_path, taken):
    with pytest.raises(Problem, match=f"Port {taken}, wanted for kafka"):
        choose([Wish("kafka", 1)], {"kafka": taken}, tmp_path / "ports.json")


def test_any_other_port_gives_way_to_the_next_free_one_and_is_remembered(tmp_path, monkeypatch):
    monkeypatch.setenv("COMEBACK_CACHE_DIR", str(tmp_path))  # Where nobody else was given these.
    monkeypatch.setattr("ops.embedded.ports.is_free", lambda port, _host=HOST: port != 19_092)
    memory = tmp_path / "ports.json"
    wishes = [Wish("kafka", 19_092), Wish("kafka-controller", 19_093)]
    assert choose(wishes, {}, memory) == {"kafka": 19_094, "kafka-controller": 19_093}
    monkeypatch.setattr("ops.embedded.ports.is_free", lambda _port, _host=HOST: True)
    assert choose(wishes, {}, memory)["kafka"] == 19_094


def test_a_choice_is_remembered_for_the_next_start(tmp_path, free):
    memory = tmp_path / "ports.json"
    wishes = [Wish("portal", 1, fixed=True)]
    assert choose(wishes, {"portal": free}, memory) == {"portal": free}
    assert choose(wishes, {}, memory) == {"portal": free}


def test_one_port_chosen_twice_is_refused(tmp_path, free):
    with pytest.raises(Problem, match=f"Port {free} was chosen for both portal and bridge"):
        choose([Wish("portal", 1), Wish("bridge", 2)], {"portal": free, "bridge": free}, tmp_path / "ports.json")


def test_a_port_for_nobody_is_refused(tmp_path):
    with pytest.raises(Problem, match="There is no port called portel"):
        choose([Wish("portal", 1)], {"portel": 8080}, tmp_path / "ports.json")


def test_a_damaged_memory_is_as_good_as_none(tmp_path, free):
    memory = tmp_path / "ports.json"
    memory.write_text("{")
    chosen = choose([Wish("kafka", free)], {}, memory)
    assert json.loads(memory.read_text()) == chosen


def test_two_that_choose_at_the_same_moment_are_given_different_ports(free):
    assert next_free(free, set()) != free
    assert len({next_free(free, set()) for _ in range(5)}) == 5


def test_the_port_of_our_last_start_is_ours_unless_it_was_given_to_another_since(tmp_path, monkeypatch):
    monkeypatch.setenv("COMEBACK_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr("ops.embedded.ports.is_free", lambda _port, _host=HOST: True)
    wishes, ours, theirs = [Wish("kafka", 21_000)], tmp_path / "ours.json", tmp_path / "theirs.json"
    first = choose(wishes, {}, ours)
    assert choose(wishes, {}, ours) == first
    assert choose(wishes, {}, theirs) != first
    theirs.write_text(ours.read_text())
    assert choose(wishes, {}, theirs) != first


def test_a_port_that_is_taken_firmly_is_left_alone_by_those_who_look_for_a_free_one(tmp_path, free):
    choose([Wish("portal", free, fixed=True)], {}, tmp_path / "ports.json")
    assert next_free(free, set()) != free


def test_what_was_given_a_while_ago_may_be_given_again(free, monkeypatch):
    monkeypatch.setattr("ops.embedded.given_ports._KEPT_S", 0.0)
    assert next_free(free, set()) == free


def test_a_spoiled_note_of_given_ports_is_begun_anew(tmp_path, monkeypatch):
    monkeypatch.setenv("COMEBACK_CACHE_DIR", str(tmp_path))
    (tmp_path / "given-ports.json").write_text("[1, 2")
    first = next_free(21_000, set())
    assert list(json.loads((tmp_path / "given-ports.json").read_text())) == [str(first)]
    assert next_free(first, set()) != first
