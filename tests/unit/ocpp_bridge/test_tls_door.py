"""The door behind which TLS is spoken, when this process can open no more files."""

import asyncio
import errno
import socket
import ssl

from certificates import Authority

from ocpp_bridge import tls_door
from ocpp_bridge.tls_door import TlsDoor


class Full(socket.socket):
    """A listening socket whose process has no file left for the first connections."""

    refusals = 3

    def accept(self):
        if self.refusals:
            self.refusals -= 1
            raise OSError(errno.EMFILE, "Too many open files")
        return super().accept()


class Greeting(asyncio.Protocol):
    """Says hello to whoever has agreed on TLS."""

    def connection_made(self, transport) -> None:
        transport.write(b"hello")
        transport.close()


async def test_who_comes_while_no_file_is_left_waits_until_there_is_one(tmp_path, monkeypatch):
    monkeypatch.setattr(tls_door, "FULL_FOR_S", 0.05)
    authority = Authority(tmp_path)
    files = authority.issue("localhost")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.chain, files.key)
    listening = Full(socket.AF_INET)
    listening.bind(("127.0.0.1", 0))
    listening.listen()
    port = listening.getsockname()[1]
    failed: list[tls_door.Failure] = []
    door = TlsDoor(listening, context, protocol=Greeting, within_s=5, turn=lambda _: 0.0, failed=failed.append)
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=authority.client())
    assert await asyncio.wait_for(reader.read(-1), 5) == b"hello"
    writer.close()
    await door.close()
    assert failed == []
    assert listening.refusals == 0
