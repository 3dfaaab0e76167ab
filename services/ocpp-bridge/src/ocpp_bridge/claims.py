"""What a client certificate says that TLS did not accept: anybody can write anything there, so it is a claim only."""

import ssl
import warnings
from dataclasses import dataclass
from typing import Any

from cryptography import x509
from cryptography.x509.oid import NameOID

NAME_LENGTH = 64
"""Characters of a common name (X.520's upper bound); what is longer is cut."""
_HANDSHAKE, _CERTIFICATE = 22, 11
_HEADER = 4
_CAUSES = {
    2: "strange_authority",  # the issuer's certificate is not there
    9: "not_yet_valid",
    10: "expired",
    18: "strange_authority",  # self-signed
    19: "strange_authority",  # self-signed, in the chain
    20: "strange_authority",  # the issuer is not known here
    21: "strange_authority",  # the first certificate can't be verified
    23: "revoked",
}
"""OpenSSL's verify codes in the words of ConnectionRefused."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A certificate that was not accepted.

    Attributes:
        cause: why, in a word.
        name: the common name of its subject, as far as it can be read.
    """

    cause: str
    name: str | None


class Handshake(ssl.SSLObject):
    """One connection's TLS, which keeps the certificate that the client shows until it is known to be good."""

    shown: bytes | None = None

    def do_handshake(self) -> None:
        try:
            super().do_handshake()
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise
        except ssl.SSLError as error:
            claimed = _claim(error, self.shown)
            if claimed is not None:
                # Whoever is told of the error knows nothing of this object.
                vars(error)["claim"] = claimed
            raise
        self.shown = None


def of(error: BaseException) -> Claim | None:
    """The certificate that a handshake failed over, when it did so over one."""
    found = getattr(error, "claim", None)
    return found if isinstance(found, Claim) else None


def listen(context: ssl.SSLContext) -> None:
    """Makes a context keep what clients show.

    Python gives a server no certificate that it has refused. OpenSSL hands out each message of a handshake, which
    Python uses for its own tests; where it does not, certificates are refused all the same, and nobody is named.
    """
    context.sslobject_class = Handshake
    told = getattr(super(ssl.SSLContext, ssl.SSLContext), "_msg_callback", None)
    if told is not None:
        told.__set__(context, _heard)


def _heard(connection: Any, direction: str, _version: int, content: int, kind: int, data: bytes) -> None:
    # It is called for every record, also after the handshake.
    if kind == _CERTIFICATE and content == _HANDSHAKE and direction == "read" and isinstance(connection, Handshake):
        connection.shown = data


def _claim(error: ssl.SSLError, shown: bytes | None) -> Claim | None:
    """What was wrong with the certificate; None when the handshake failed over something else."""
    certificate = None if shown is None else first_certificate(shown)
    if isinstance(error, ssl.SSLCertVerificationError):
        cause = _CAUSES.get(error.verify_code, "invalid")
    elif certificate is not None:
        cause = "not_proven"
    else:
        return None
    return Claim(cause, None if certificate is None else _common_name(certificate))


def first_certificate(message: bytes) -> bytes | None:
    """The first certificate (DER) of a handshake's Certificate message (RFC 5246, 7.4.2; RFC 8446, 4.4.2)."""
    for start in (_HEADER, _HEADER + 1 + message[_HEADER] if len(message) > _HEADER else _HEADER):
        # TLS 1.3 puts a context before the list, which is empty in a handshake.
        whole = int.from_bytes(message[start : start + 3], "big")
        length = int.from_bytes(message[start + 3 : start + 6], "big")
        if whole and start + 3 + whole == len(message) and 0 < length <= whole - 3:
            return message[start + 6 : start + 6 + length]
    return None


def _common_name(certificate: bytes) -> str | None:
    try:
        with warnings.catch_warnings(action="ignore"):
            names = x509.load_der_x509_certificate(certificate).subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    except ValueError:
        return None
    name = "".join(letter for letter in str(names[0].value) if letter.isprintable()) if names else ""
    return name[:NAME_LENGTH] or None
