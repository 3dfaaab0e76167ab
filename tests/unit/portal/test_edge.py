"""What the edge lets in: paths after signing in, requests that another site may have caused, keys of attempts."""

from uuid import UUID

import pytest
from starlette.requests import Request

from chassis.http import Problem
from portal.asking import attempt_id_for
from portal.people import COOKIE, refuse_cross_site, token_of
from portal.sessions import own_path


def request(method: str = "POST", **headers: str) -> Request:
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "method": method, "path": "/", "headers": raw, "query_string": b""})


@pytest.mark.parametrize(
    ("target", "goes_to"),
    [
        ("/chargers/CP-1?x=1", "/chargers/CP-1?x=1"),
        ("//evil.example/", "/chargers"),
        ("/\\evil.example", "/chargers"),
        ("https://evil.example/", "/chargers"),
        ("javascript:alert(1)", "/chargers"),
        ("/a\r\nset-cookie: x=1", "/chargers"),
        ("", "/chargers"),
    ],
)
def test_after_signing_in_only_own_paths_are_gone_to(target, goes_to):
    assert own_path(target) == goes_to


@pytest.mark.parametrize(
    "headers",
    [
        {"sec_fetch_site": "same-origin"},
        {"sec_fetch_site": "none"},
        {"origin": "https://portal.example", "host": "portal.example"},
    ],
)
def test_a_request_of_our_own_page_passes(headers):
    refuse_cross_site(request(**headers))


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"sec_fetch_site": "cross-site", "origin": "https://portal.example", "host": "portal.example"},
        {"sec_fetch_site": "same-site"},
        {"origin": "https://evil.example", "host": "portal.example"},
        {"origin": "null", "host": "portal.example"},
    ],
)
def test_a_request_that_another_site_may_have_caused_is_refused(headers):
    with pytest.raises(Problem) as refused:
        refuse_cross_site(request(**headers))
    assert refused.value.status == 403


def test_a_bearer_needs_no_origin_a_cookie_does_and_reading_needs_none():
    cookie = {"cookie": f"{COOKIE}=t"}
    assert token_of(request(authorization="Bearer abc")) == "abc"
    assert token_of(request(authorization="Bearer abc", **cookie)) == "abc"
    assert token_of(request("GET", **cookie)) == "t"
    with pytest.raises(Problem):
        token_of(request(**cookie))


def test_an_attempt_is_the_same_for_the_same_person_charger_and_key_only():
    same = attempt_id_for("kim", "CP-1", "k")
    assert same == attempt_id_for("kim", "CP-1", "k") == UUID("cf0da7d3-f869-5f5f-92d3-cae734b0ba4d"), (
        "a retry over an update must be the same attempt"
    )
    others = {
        attempt_id_for("lee", "CP-1", "k"),
        attempt_id_for("kim", "CP-2", "k"),
        attempt_id_for("kim", "CP-1", "l"),
    }
    assert len(others | {same}) == 4
    assert attempt_id_for("kim", "CP-1", None) != attempt_id_for("kim", "CP-1", None)
