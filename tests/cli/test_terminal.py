"""The command line in a real terminal, as a new user meets it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.terminal import Terminal

from summit.broker import BrokerSettings, BrokerThread


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    broker = BrokerThread(BrokerSettings(port=0, data_dir=str(tmp_path / "data"), durability="os"))
    broker.start()
    try:
        servers = f"127.0.0.1:{broker.port}"
        env = {"SUMMIT_BOOTSTRAP_SERVERS": servers, "SUMMIT_COMPLETION_TIMEOUT_MS": "30000"}
        with Terminal(tmp_path, **env) as terminal:
            yield terminal
    finally:
        broker.stop()


def test_a_first_quarter_of_an_hour(terminal: Terminal) -> None:
    code, screen = terminal.run("summit --help")
    assert code == 0
    assert "Start with `summit demo`" in screen
    assert "130 interrupted" in screen

    code, screen = terminal.run("summit topics")
    assert (code, "did you mean 'topic'" in screen) == (2, True), screen
    code, screen = terminal.run("summit topic create web.requests --partitions 3")
    assert code == 0, screen

    # What is said twice is refused, with what to do; what is not there, with what was meant.
    code, screen = terminal.run("summit topic create web.requests")
    assert (code, "hint:" in screen) == (1, True), screen
    code, screen = terminal.run("summit topic describe web.request")
    assert (code, "web.requests" in screen.partition("error:")[2]) == (3, True), screen

    # On a terminal a list is a table; in a pipe it is lines.
    code, screen = terminal.run("summit topic list")
    assert code == 0
    assert "web.requests" in screen
    assert re.search(r"^ *name +partitions +\w+", screen, re.MULTILINE | re.IGNORECASE), screen
    code, screen = terminal.run("summit topic list | cat -A | grep web")
    assert "web.requests^I3^I" in screen

    code, screen = terminal.run("seq 3 | summit produce web.requests --partition 1")
    assert code == 0, screen

    # Following goes on until Ctrl-C, which ends it well.
    terminal.begin("summit consume web.requests --from-beginning")
    terminal.wait('"value":1', '"value":2', '"value":3')
    terminal.press("C-c")
    code, screen = terminal.ended()
    assert (code, "Traceback" in screen) == (0, False), screen

    # What deletes asks first.
    terminal.begin("summit topic delete web.requests")
    terminal.answer("n")
    assert terminal.ended()[0] == 130
    terminal.begin("summit topic delete web.requests")
    terminal.answer("y")
    assert terminal.ended()[0] == 0


def test_what_is_begun_completes(terminal: Terminal) -> None:
    assert terminal.run("summit topic create web.requests")[0] == 0
    assert terminal.run('eval "$(summit completion bash)"')[0] == 0
    terminal.press("summit conf", "Tab")
    terminal.wait("summit config")
    terminal.press("C-u")
    terminal.press("summit topic describe web", "Tab")
    terminal.wait("describe web.requests")
