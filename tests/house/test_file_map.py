"""ARCHITECTURE.md is true: its file map names exactly the rooms and files that exist."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_the_map_equals_the_disk() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    named = set(re.findall(r"^\| `([\w/]+\.py)` \|", text, re.MULTILINE))
    source = ROOT / "src" / "summit"
    present = {
        path.relative_to(source).as_posix()
        for path in source.rglob("*.py")
        if path.name != "__init__.py"
    }
    assert named - present == set(), "named but not there"
    assert present - named == set(), "there but not named"
