"""Stands in for a service: answers its readiness on HTTP_PORT, says what environment it got, can be told to fail."""

import json
import os
import signal
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

NAMES = (
    *("DATABASE_URL", "KAFKA_BOOTSTRAP_SERVERS", "KAFKA_USERNAME", "KAFKA_PASSWORD"),
    *("INSTANCE_ID", "GREETING", "PORTAL_AUTH_URL"),
)


class Answers(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = json.dumps({name: os.environ.get(name) for name in NAMES}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Quiet."""


def main() -> None:
    name = sys.argv[1]
    if sys.argv[2:] == ["migrate"]:
        with Path(os.environ["STUB_FOLDER"]).joinpath(f"{name}.migrated").open("a") as file:
            file.write("once\n")
        return
    if os.environ.get("STUB_FAILS"):
        raise RuntimeError(os.environ["STUB_FAILS"])
    server = HTTPServer(("127.0.0.1", int(os.environ["HTTP_PORT"])), Answers)
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    server.serve_forever()
    server.server_close()


main()
