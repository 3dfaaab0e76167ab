"""What is read of a certificate that TLS did not accept."""

import ssl

import pytest
from certificates import Authority
from hypothesis import given, strategies as st

from ocpp_bridge import claims


class Ends:
    """A server and a client of TLS in memory."""

    def __init__(self, server: ssl.SSLContext, client: ssl.SSLContext) -> None:
        self._pipes = [ssl.MemoryBIO() for _ in range(4)]
        self.server = server.wrap_bio(self._pipes[0], self._pipes[1], server_side=True)
        self.client = client.wrap_bio(self._pipes[2], self._pipes[3], server_hostname="localhost")

    def agree(self) -> ssl.SSLError | None:
        """Lets both talk until the server has come to an end; returns what it failed over."""
        for _ in range(10):
            for end in (self.client, self.server):
                try:
                    end.do_handshake()
                except ssl.SSLWantReadError:
                    pass
                except ssl.SSLError as error:
                    if end is self.server:
                        return error
            self._pipes[0].write(self._pipes[3].read())
            self._pipes[2].write(self._pipes[1].read())
        return None


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path)


@pytest.fixture
def server(authority) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    files = authority.issue("localhost")
    context.load_cert_chain(files.chain, files.key)
    context.load_verify_locations(authority.file)
    context.verify_mode = ssl.CERT_OPTIONAL
    claims.listen(context)
    return context


VERSIONS = pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])


def failed(server, context, version):
    context.maximum_version = version
    error = Ends(server, context).agree()
    assert error is not None
    return claims.of(error)


@VERSIONS
def test_why_a_certificate_is_refused_is_told_and_whose_it_claims_to_be(server, authority, tmp_path, version):
    stranger = Authority(tmp_path, "stranger")
    strange = authority.client(stranger.issue("garage-1", file="strange"))
    expired = authority.client(authority.issue("garage-2", days=-0.5, file="expired"))
    early = authority.client(authority.issue("garage-3", days=2, begins=1, file="early"))
    assert failed(server, strange, version) == claims.Claim("strange_authority", "garage-1")
    assert failed(server, expired, version) == claims.Claim("expired", "garage-2")
    assert failed(server, early, version) == claims.Claim("not_yet_valid", "garage-3")


@VERSIONS
def test_a_certificate_that_is_accepted_is_claimed_by_nobody_and_not_kept(server, authority, version):
    context = authority.client(authority.issue("garage-1"))
    context.maximum_version = version
    ends = Ends(server, context)
    assert ends.agree() is None
    assert ends.server.shown is None
    assert ends.server.getpeercert()["subject"] == ((("commonName", "garage-1"),),)


def test_a_handshake_that_fails_over_something_else_claims_nothing(server):
    nobody = ssl.create_default_context()
    assert failed(server, nobody, ssl.TLSVersion.TLSv1_3) is None


@pytest.mark.filterwarnings("ignore:Attribute's length:UserWarning:certificates")
@pytest.mark.parametrize(
    ("name", "read"),
    [("x" * 300, "x" * 64), ("line\nbreak\x00\u202e", "linebreak"), ("garage \u00e9", "garage \u00e9")],
)
def test_a_name_is_cut_to_what_can_be_shown(server, tmp_path, authority, name, read):
    strange = authority.client(Authority(tmp_path, "stranger").issue(name, file="strange"))
    assert failed(server, strange, ssl.TLSVersion.TLSv1_3) == claims.Claim("strange_authority", read)


def test_where_python_hands_out_no_messages_the_certificate_is_refused_and_nobody_named(
    authority, tmp_path, server, monkeypatch
):
    monkeypatch.setattr(claims.Handshake, "shown", property(lambda _: None, lambda _self, _value: None))
    strange = authority.client(Authority(tmp_path, "stranger").issue("garage-1", file="strange"))
    assert failed(server, strange, ssl.TLSVersion.TLSv1_3) == claims.Claim("strange_authority", None)


def test_a_certificate_whose_key_the_client_does_not_have_is_not_proven(authority):
    der = ssl.PEM_cert_to_DER_cert(authority.issue("garage-1").chain.read_text())
    shown = (len(der) + 3).to_bytes(3, "big") + len(der).to_bytes(3, "big") + der
    message = b"\x0b" + len(shown).to_bytes(3, "big") + shown
    assert claims._claim(ssl.SSLError(1, "bad signature"), message) == claims.Claim("not_proven", "garage-1")


@given(st.binary(max_size=40) | st.binary(max_size=40).map(lambda rest: b"\x0b" + len(rest).to_bytes(3, "big") + rest))
def test_no_message_is_too_odd(message):
    found = claims.first_certificate(message)
    assert found is None or found in message
    assert claims._common_name(message) is None
