"""How commands end: the documented exit codes, and texts that say what to do."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import ClassVar

import pytest
from tests.cli.running import summit

from summit.stream_processing import EmbeddedBroker


class Refusing(BaseHTTPRequestHandler):
    """A service that answers with the status that the path names."""

    seen: ClassVar[list[str | None]] = []

    def do_GET(self) -> None:
        self.seen.append(self.headers.get("Authorization"))
        status = int(self.path.rpartition("/")[2])
        body = json.dumps({"detail": f"status {status} it is"}).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def refusing() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Refusing) as server:
        thread = Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join(10)


@pytest.fixture(scope="module")
def broker() -> Iterator[EmbeddedBroker]:
    with EmbeddedBroker.in_memory(num_partitions=2) as running:
        yield running


@pytest.mark.parametrize(
    ("status", "code"),
    [(400, 1), (401, 4), (403, 4), (404, 3), (409, 1), (429, 5), (500, 1), (503, 5)],
)
def test_what_a_service_refuses(bare: Path, refusing: str, status: int, code: int) -> None:
    done = summit("collector", "status", str(status), "--url", refusing, "--token", "sesame")
    assert done.code == code
    assert f"status {status} it is" in done.err
    assert "hint: " in done.err
    assert "Traceback" not in done.err
    assert Refusing.seen[-1] == "Bearer sesame"


def test_nobody_answers(bare: Path) -> None:
    assert summit("collector", "list", "--url", "http://127.0.0.1:9").code == 5


def test_what_is_not_there_is_3_with_what_was_probably_meant(
    bare: Path, broker: EmbeddedBroker
) -> None:
    at = ("-b", broker.address)
    assert summit("topic", "create", "logins", *at).code == 0
    done = summit("topic", "describe", "login", *at)
    assert done.code == 3
    assert "did you mean 'logins'?" in done.err
    assert summit("group", "describe", "none", *at).code == 3


@pytest.mark.parametrize(
    "words",
    [("topik",), ("topic", "describe"), ("topic", "list", "-o", "xml"), ("consume",), ("--nope",),
     ("alerts", "tail", "-n", "0")],
)  # fmt: skip
def test_wrong_use_is_2(bare: Path, words: tuple[str, ...]) -> None:
    assert summit(*words).code == 2


@pytest.mark.parametrize(
    "words",
    [("topic", "delete", "t"), ("topic", "purge", "t"), ("group", "delete", "g"),
     ("group", "forget", "g", "-t", "t"), ("rules", "remove", "r"),
     ("collector", "remove", "c")],
)  # fmt: skip
def test_what_destroys_asks_first(bare: Path, words: tuple[str, ...]) -> None:
    done = summit(*words)
    assert done.code == 2
    assert "--yes" in done.err


def test_a_reader_that_goes_ends_a_command_quietly(bare: Path, broker: EmbeddedBroker) -> None:
    at = ("-b", broker.address)
    summit("topic", "create", "much", *at)
    lines = "\n".join(str(number) for number in range(3_000))
    words = [sys.executable, "-m", "summit"]
    subprocess.run(
        [*words, "produce", "much", "-q", *at], input=lines.encode(), check=True, timeout=60,
        capture_output=True,
    )  # fmt: skip
    with subprocess.Popen(
        [*words, "consume", "much", "--from-beginning", *at],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as reader:  # fmt: skip
        assert reader.stdout is not None
        assert reader.stderr is not None
        assert json.loads(reader.stdout.readline())["topic"] == "much"
        reader.stdout.close()  # as `head` does
        said = reader.stderr.read()
        assert reader.wait(60) == 0
    assert b"Broken" not in said
    assert b"Traceback" not in said


def test_help_imports_nothing_heavy(bare: Path) -> None:
    heavy = "{'rich', 'msgspec', 'starlette', 'confluent_kafka', 'structlog', 'asyncio', 'yaml'}"
    program = (
        "import sys\nfrom summit.cli.main import root\n"
        "try:\n root.main(['--help'])\nexcept SystemExit: pass\n"
        f"print(sorted({heavy} & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stderr.strip() == "[]"
    assert "Exit codes" in done.stdout


def test_what_serves_does_not_load_rich(bare: Path) -> None:
    program = (
        "import sys\nfrom summit.base.logs import configure, get_logger\nconfigure('info')\n"
        "get_logger('x').info('hello')\n"
        "try:\n 1 / 0\nexcept ZeroDivisionError: get_logger('x').exception('oh')\n"
        "print('rich' in sys.modules)\nimport rich\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == "False\n"
    assert "ZeroDivisionError" in done.stderr
