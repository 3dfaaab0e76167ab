"""What a charger trusts and what it shows over wss: security profiles 2 and 3."""

import ssl
from functools import cache
from pathlib import Path


@cache
def client_context(ca: str | None, certificate: str | None, key: str | None) -> ssl.SSLContext:
    """A context for wss, the same one for the same files.

    Args:
        ca: PEM file with the authority of the server's certificate; None trusts what the system does.
        certificate: PEM file with the client certificate and its chain; None shows none.
        key: PEM file with its private key; None when that is in the same file.

    Raises:
        ValueError: names the file that can't be used.
    """
    try:
        context = ssl.create_default_context(cafile=ca)
    except (OSError, ssl.SSLError) as wrong:
        raise ValueError(f"{ca}: no authority can be read from it ({wrong})") from wrong
    if certificate is not None:
        missing = [path for path in (certificate, key) if path is not None and not Path(path).is_file()]
        if missing:
            raise ValueError(f"{missing[0]}: there is no such file")
        try:
            context.load_cert_chain(certificate, key)
        except (OSError, ssl.SSLError) as wrong:
            raise ValueError(f"{certificate}: no certificate with its key can be read from it ({wrong})") from wrong
    return context
