"""Certificates of a small authority, for tests of TLS."""

import ipaddress
import os
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey

# What RFC 5280 asks for and Python checks from 3.13 on: an authority says that it signs, and both name its key.
_MAY_SIGN = x509.KeyUsage(
    digital_signature=False,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=True,
    crl_sign=True,
    encipher_only=False,
    decipher_only=False,
)


@cache
def _rsa_key() -> rsa.RSAPrivateKey:
    # One for all: making one takes long.
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def new_key(kind: str) -> Key:
    if kind == "rsa":
        return _rsa_key()
    return ec.generate_private_key(ec.SECP256R1())


@dataclass(frozen=True)
class Files:
    """A certificate and its key, as files."""

    chain: Path
    key: Path

    def __str__(self) -> str:
        return f"{self.chain}:{self.key}"


class Authority:
    """Signs certificates, and writes them into a folder."""

    def __init__(self, folder: Path, name: str = "authority") -> None:
        self.folder = folder
        self._key = new_key("ecdsa")
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        now = datetime.now(UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(self._name)
            .issuer_name(self._name)
            .public_key(self._key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=2))
            .not_valid_after(now + timedelta(days=2))
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(_MAY_SIGN, critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(self._key.public_key()), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        self.file = folder / f"{name}.pem"
        self.file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))

    def issue(
        self,
        common_name: str,
        *,
        kind: str = "ecdsa",
        organization: str | None = None,
        days: float = 1,
        begins: float = -1,
        file: str | None = None,
    ) -> Files:
        """A certificate that is good from yesterday on, or another day, until so many days from now."""
        key = new_key(kind)
        now = datetime.now(UTC)
        # Some names here are longer than certificates may have them.
        names = [x509.NameAttribute(NameOID.COMMON_NAME, common_name, _validate=False)]
        if organization is not None:
            names.append(x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization))
        hosts = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        certificate = (
            x509.CertificateBuilder()
            .subject_name(x509.Name(names))
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + timedelta(days=begins))
            .not_valid_after(now + timedelta(days=days))
            .add_extension(x509.SubjectAlternativeName(hosts), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        base = file or f"{common_name}-{kind}"
        files = Files(self.folder / f"{base}.crt", self.folder / f"{base}.key")
        write(files.chain, certificate.public_bytes(serialization.Encoding.PEM))
        encoding = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        write(files.key, key.private_bytes(*encoding))
        return files

    def client(self, certificate: Files | None = None) -> ssl.SSLContext:
        """What a charger needs that trusts this authority."""
        context = ssl.create_default_context(cafile=str(self.file))
        if certificate is not None:
            context.load_cert_chain(certificate.chain, certificate.key)
        return context


class Door:
    """What a bridge with TLS is made of: its certificates, the authority of its chargers, and one that is strange."""

    def __init__(self, folder: Path) -> None:
        self.authority = Authority(folder)
        self.stranger = Authority(folder, "stranger")
        self.ecdsa = self.authority.issue("localhost", kind="ecdsa")
        self.rsa = self.authority.issue("localhost", kind="rsa")

    def settings(self, **more: Any) -> dict[str, Any]:
        return {
            "tls_port": 0,
            "tls_certificates": f"{self.ecdsa},{self.rsa}",
            "tls_client_ca": str(self.authority.file),
            "tls_client_organization": "Operator",
            **more,
        }

    def charger(self, name: str, organization: str = "Operator", **options: Any) -> ssl.SSLContext:
        certificate = self.authority.issue(name, organization=organization, **options)
        return self.authority.client(certificate)


def write(path: Path, data: bytes) -> None:
    """Puts a file in the place of another in one step, as whoever renews certificates should."""
    new = path.with_suffix(path.suffix + ".new")
    new.write_bytes(data)
    os.replace(new, path)  # noqa: PTH105 the same on every system
