"""Which files match: patterns, names with brackets, links, exclusions."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from summit.base.errors import Invalid
from summit.ingest.files.finding import find_files
from summit.ingest.files.source import SourceFile


def names(tmp_path: Path, patterns: list[str], exclude: list[str] | None = None) -> list[str]:
    found = find_files([str(tmp_path / one) for one in patterns], exclude or [])
    return [os.path.relpath(path, tmp_path) for path in found.values()]


def test_patterns_paths_and_exclusions(tmp_path: Path) -> None:
    (tmp_path / "sub" / "deep").mkdir(parents=True)
    for name in ("b.log", "a.log", "a.log.1", "x[1].log", "sub/c.log", "sub/deep/d.log"):
        (tmp_path / name).write_text(name)
    (tmp_path / "link.log").symlink_to(tmp_path / "b.log")
    (tmp_path / "dir.log").mkdir()
    assert names(tmp_path, ["a.log"]) == ["a.log"]
    assert names(tmp_path, ["missing", "b.log", "b.log"]) == ["b.log"]
    assert names(tmp_path, ["?.log"]) == ["a.log", "b.log"]
    assert names(tmp_path, ["x[1].log"]) == ["x[1].log"]
    assert names(tmp_path, ["[ab].log*"], ["*.1"]) == ["a.log", "b.log"]
    assert names(tmp_path, ["**/*.log"], ["x*", str(tmp_path / "sub" / "*")]) == ["a.log", "b.log"]
    assert names(tmp_path, ["sub/**"]) == ["sub/c.log", "sub/deep/d.log"]
    assert names(tmp_path, ["b.log", "*.log"])[0] == "b.log"
    assert names(tmp_path, ["link.log"]) == ["link.log"]


def test_no_collector_reads_what_makes_an_admin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "key").write_text("k" * 40)
    (tmp_path / "link.log").symlink_to("/proc/self/environ")
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "token").write_text("t")
    monkeypatch.setenv("SUMMIT_ADMIN_KEY_FILE", str(tmp_path / "key"))
    monkeypatch.setenv("SUMMIT_SECRETS_DIR", str(tmp_path / "kept"))
    for path in (tmp_path / "key", "/proc/self/environ", "/proc/self/root/proc/self/environ",
                 tmp_path / "link.log", tmp_path / "kept" / "token"):  # fmt: skip
        with pytest.raises(Invalid, match=r"no file of a disk|not for documents|a secret"):
            SourceFile(str(path))
    (tmp_path / "a.log").write_text("a")
    SourceFile(str(tmp_path / "a.log")).close()
