"""A real terminal for tests: tmux with a bash in it, on a server of its own."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

TIMEOUT_S = 60.0
PROMPT = "ready> "


class Terminal:
    """`with Terminal(directory) as terminal`: type, and wait for what the screen shows.

    Args:
        directory: Where the shell stands; its home, too.
        env: What it has beside.
    """

    def __init__(self, directory: Path, **env: str) -> None:
        if shutil.which("tmux") is None:
            pytest.skip("tmux is not installed")
        self._socket = str(directory / "tmux")
        self._directory = directory
        self._number = 0
        bin_ = Path(sys.executable).parent
        self._env = {
            "HOME": str(directory), "PATH": f"{bin_}:/usr/bin:/bin", "TERM": "screen",
            "LC_ALL": "C.UTF-8", "PS1": PROMPT, **env,
        }  # fmt: skip

    def __enter__(self) -> Self:
        shell = "exec env -i " + " ".join(f"'{k}={v}'" for k, v in self._env.items())
        self._tmux(
            "-f", "/dev/null", "new-session", "-d", "-x", "120", "-y", "50",
            f"{shell} bash --norc --noprofile",
        )  # fmt: skip
        self.wait(PROMPT.strip())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        if kind is not None:
            sys.stderr.write(self.screen())
        self._tmux("kill-server")

    def screen(self) -> str:
        """What is seen since the last command was typed, also what has gone off the top."""
        text = self._tmux("capture-pane", "-p", "-J", "-S", "-500").rstrip()
        return text.rpartition(f'echo "end{self._number}=$?"')[2]

    def press(self, *keys: str) -> None:
        """Keys by tmux's names: `Tab`, `C-c`, `Enter`; anything else is typed as it is."""
        self._tmux("send-keys", *keys)

    def wait(self, *texts: str) -> str:
        """Until all of these are on the screen; the screen."""
        return self._until(lambda screen: all(text in screen for text in texts), repr(texts))

    def answer(self, key: str) -> None:
        """Answer the question on the screen; a key that a busy terminal has not taken, again."""
        question = self.wait("[y/N]").rstrip()
        deadline_s = time.monotonic() + TIMEOUT_S
        while not self.screen().startswith(f"{question} {key}"):
            assert time.monotonic() < deadline_s, self.screen()
            self.press(key)
            again_s = time.monotonic() + 5
            while self.screen() == question and time.monotonic() < again_s:
                time.sleep(0.05)
        self.press("Enter")

    def run(self, command: str) -> tuple[int, str]:
        """Type a command; its exit code and the screen, when it has ended."""
        self.begin(command)
        return self.ended()

    def begin(self, command: str) -> None:
        """Type a command; `ended` waits for its end."""
        self._number += 1
        self.press("-l", f'{command}; echo "end{self._number}=$?"')
        self.press("Enter")

    def ended(self) -> tuple[int, str]:
        """Wait for the end of what was begun: exit code, screen."""
        form = re.compile(rf"^end{self._number}=(\d+)$", re.MULTILINE)
        screen = self._until(lambda screen: form.search(screen) is not None, "its end")
        found = form.search(screen)
        assert found is not None
        return int(found[1]), screen

    def _until(self, holds: Callable[[str], bool], what: str) -> str:
        deadline_s = time.monotonic() + TIMEOUT_S
        while not holds(screen := self.screen()):
            assert time.monotonic() < deadline_s, f"{what} did not come:\n{screen}"
            time.sleep(0.05)
        return screen

    def _tmux(self, *arguments: str) -> str:
        done = subprocess.run(
            ["tmux", "-S", self._socket, *arguments],
            cwd=self._directory, capture_output=True, text=True, timeout=30, check=False,
        )  # fmt: skip
        return done.stdout
