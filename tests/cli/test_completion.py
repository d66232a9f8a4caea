"""Completion as shells ask for it: commands at once, ids of whoever knows them, never an error."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.cli.running import summit

from summit.stream_processing import EmbeddedBroker


def completed(line: str, **env: str) -> list[str]:
    """What bash would be offered for a line; the last word is not finished."""
    words = line.split(" ")
    done = subprocess.run(
        [sys.executable, "-c", "from summit.cli.main import main; main()"],
        env={**os.environ, "_SUMMIT_COMPLETE": "bash_complete", "COMP_WORDS": line,
             "COMP_CWORD": str(len(words) - 1), **env},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.stderr == ""
    return [each.partition(",")[2] for each in done.stdout.splitlines() if each]


def test_commands_options_and_profiles(bare: Path) -> None:
    assert completed("summit to") == ["topic", "top"]
    assert "describe" in completed("summit topic ")
    assert "--partitions" in completed("summit topic create --part")
    (bare / "summit.toml").write_text("[profiles.prod]\n[profiles.test]\n")
    assert completed("summit --profile p") == ["prod"]


def test_topics_and_groups_of_the_broker(bare: Path) -> None:
    with EmbeddedBroker.in_memory(num_partitions=1) as broker:
        for name in ("orders", "logins", "_hidden"):
            assert summit("topic", "create", name, "-b", broker.address).code == 0
        patient = {"SUMMIT_COMPLETION_TIMEOUT_MS": "30000"}
        env = {"SUMMIT_BOOTSTRAP_SERVERS": broker.address, **patient}
        assert completed("summit topic describe o", **env) == ["orders"]
        every = completed(f"summit consume -b {broker.address} ", **patient)
        assert [name for name in every if not name.startswith("-")] == ["logins", "orders"]


def test_what_does_not_answer_completes_nothing_and_soon(bare: Path) -> None:
    begin = time.monotonic()
    assert completed("summit topic describe o", SUMMIT_BOOTSTRAP_SERVERS="127.0.0.1:9") == []
    assert completed("summit collector stop w", SUMMIT_STREAMING_URL="http://127.0.0.1:9") == []
    assert time.monotonic() - begin < 30  # generous: a slow machine starts Python twice


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_scripts_are_ones_that_their_shell_takes(bare: Path, shell: str) -> None:
    done = summit("completion", shell)
    assert done.code == 0
    assert "_SUMMIT_COMPLETE" in done.out
    if shutil.which(shell):
        subprocess.run([shell, "-n"], input=done.out, text=True, check=True, timeout=30)
