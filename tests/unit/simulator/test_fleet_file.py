"""Fleet files are read, and their mistakes named."""

import json

import pytest

from simulator import ChargerSpec, read_fleet_file
from simulator.fleet import spec_of

DEFAULTS = {"url": "ws://127.0.0.1:9000/ocpp", "protocol": "ocpp2.0.1"}


def test_csv_takes_what_it_leaves_out_from_the_defaults(tmp_path):
    path = tmp_path / "fleet.csv"
    path.write_text("id,protocol,connectors,personality\nA-1,,2,blip\nA-2,ocpp1.6,,\n")
    assert read_fleet_file(path, DEFAULTS) == [
        ChargerSpec("A-1", DEFAULTS["url"], protocol="ocpp2.0.1", connectors=2, personality="blip"),
        ChargerSpec("A-2", DEFAULTS["url"], protocol="ocpp1.6"),
    ]


def test_json_is_a_list_of_the_same(tmp_path):
    path = tmp_path / "fleet.json"
    path.write_text(json.dumps([{"id": "A-1", "password": "secret", "charging": 1}]))
    assert read_fleet_file(path, DEFAULTS) == [
        ChargerSpec("A-1", DEFAULTS["url"], "secret", protocol="ocpp2.0.1", charging=1)
    ]


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ({}, "expected a list"),
        (["A-1"], "charger 1: expected an object"),
        ([{"password": "x"}], "charger 1: id is missing"),
        ([{"id": "A-1", "colour": "red"}], "unknown field colour"),
        ([{"id": "A-1", "protocol": "ocpp9"}], "unknown protocol 'ocpp9'"),
        ([{"id": "A-1", "personality": "nice"}], "unknown personality 'nice'"),
        ([{"id": "A-1", "connectors": "two"}], "connectors and charging are numbers"),
        ([{"id": "A-1", "charging": 2}], "charging is 2, but there are 1 connectors"),
        ([{"id": "A:1"}], "no colon"),
        ([{"id": "A" * 49}], "at most 48 characters"),
        ([{"id": "A-1"}, {"id": "A-1"}], "A-1 is there twice"),
    ],
)
def test_mistakes_say_where_and_what(rows, words, tmp_path):
    path = tmp_path / "fleet.json"
    path.write_text(json.dumps(rows))
    with pytest.raises(ValueError, match=words) as raised:
        read_fleet_file(path, DEFAULTS)
    assert str(path) in str(raised.value)


def test_other_kinds_of_files_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"ends in \.csv or \.json"):
        read_fleet_file(tmp_path / "fleet.yaml")


def test_tls_files_that_can_not_be_read_are_named(tmp_path):
    row = {"id": "CH-1", "url": "wss://127.0.0.1/ocpp"}
    with pytest.raises(ValueError, match=r"nowhere\.pem"):
        spec_of({**row, "ca": str(tmp_path / "nowhere.pem")}, {}, "here")
    with pytest.raises(ValueError, match=r"CH-1\.crt: there is no such file"):
        spec_of({**row, "certificate": str(tmp_path / "{id}.crt")}, {}, "here")


def test_a_charger_without_tls_files_needs_none():
    assert spec_of({"id": "CH-1", "url": "wss://127.0.0.1/ocpp"}, {}, "here").ssl() is None
