"""Receivers of notices on this machine: an HTTP server and an SMTP server, each on a thread."""

from __future__ import annotations

import json
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self


class HttpReceiver:
    """Takes POSTs and answers with the statuses it was given, then 200.

    Attributes:
        requests: (path, headers, body) of each.
    """

    def __init__(self, *statuses: int) -> None:
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        self.came = threading.Semaphore(0)
        left = list(statuses)
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.requests.append((self.path, dict(self.headers), body))
                self.send_response(left.pop(0) if left else 200)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"ok")
                receiver.came.release()

            def log_message(self, *_: Any) -> None:
                """Nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def bodies(self) -> list[Any]:
        return [json.loads(body) for _, _, body in self.requests]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)


class SmtpReceiver:
    """Takes mails without TLS; answers DATA with the codes it was given, then 250.

    Attributes:
        mails: (recipients, text) of each.
    """

    def __init__(self, *codes: int) -> None:
        self.mails: list[tuple[list[str], str]] = []
        self._codes = list(codes)
        self._server = socket.create_server(("127.0.0.1", 0))
        self._server.settimeout(0.1)
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._serve)

    @property
    def port(self) -> int:
        port: int = self._server.getsockname()[1]
        return port

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.set()
        self._thread.join(10)
        self._server.close()

    def _serve(self) -> None:
        while not self._ends.is_set():
            try:
                connection, _ = self._server.accept()
            except TimeoutError:
                continue
            with connection, connection.makefile("rwb") as lines:
                connection.settimeout(5)
                self._talk(lines)

    def _talk(self, lines: Any) -> None:
        def say(text: str) -> None:
            lines.write(text.encode() + b"\r\n")
            lines.flush()

        recipients: list[str] = []
        say("220 here")
        while line := lines.readline().decode().strip():
            word = line.split(":")[0].split()[0].upper()
            if word == "RCPT":
                recipients.append(line.partition("<")[2].partition(">")[0])
            if word == "DATA":
                say("354 go on")
                text = b""
                while not text.endswith(b"\r\n.\r\n"):
                    text += lines.readline()
                code = self._codes.pop(0) if self._codes else 250
                if code == 250:
                    self.mails.append((recipients, text.decode()))
                say(f"{code} done")
            elif word == "QUIT":
                say("221 bye")
                return
            else:
                say("250 ok")
