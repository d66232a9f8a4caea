"""What tests of commands share: an environment and a directory without settings."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from summit.cli import profiles


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty working directory, an empty home for the user's file, no settings of ours."""
    for name in list(os.environ):
        if name.startswith("SUMMIT_") or name in profiles.ALIASES:
            monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("SUMMIT_PROFILE", "")  # so that --profile is undone at the end
    directory = tmp_path / "work"
    directory.mkdir()
    monkeypatch.chdir(directory)
    return directory
