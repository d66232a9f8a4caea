"""The house rules that no linter knows, as one program with a ratchet.

Files over 600 lines and functions over 70 are errors, unless `tools/ratchet.json` names them with
today's length: that list may only shrink. Run it alone or through tests/house/test_tidy.py.
"""

from __future__ import annotations

import ast
import json
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FILE_LINES_MAX = 600
FUNCTION_LINES_MAX = 70
BANNED_MODULES = {"utils", "helpers", "manager", "common", "impl", "misc"}
PLACES = ("src", "tests", "bench", "tools")


def problems(root: Path = ROOT) -> list[str]:
    """Every breach of the rules, one line each."""
    ratchet_file = root / "tools" / "ratchet.json"
    ratchet: dict[str, int] = json.loads(ratchet_file.read_text())
    found: list[str] = []
    seen: dict[str, int] = {}
    for path in _sources(root):
        name = path.relative_to(root).as_posix()
        text = path.read_text(encoding="utf-8")
        found += _file_problems(path, name, text, seen)
    for name, length in seen.items():
        allowed = ratchet.get(name)
        if allowed is None:
            found.append(f"{name}: {length} lines are too many")
        elif length > allowed:
            found.append(f"{name}: grew from {allowed} to {length} lines; it may only shrink")
    for name, allowed in ratchet.items():
        if seen.get(name, 0) < allowed:
            found.append(f"{name}: now {seen.get(name, 0)} lines; lower it in ratchet.json")
    return found


def _sources(root: Path) -> Iterator[Path]:
    for place in PLACES:
        yield from sorted((root / place).rglob("*.py"))


def _file_problems(path: Path, name: str, text: str, seen: dict[str, int]) -> Iterator[str]:
    if path.stem in BANNED_MODULES:
        yield f"{name}: a module is named after what it holds, not '{path.stem}'"
    lines = text.count("\n")
    if lines > FILE_LINES_MAX:
        seen[name] = lines
    tree = ast.parse(text)
    if tree.body and ast.get_docstring(tree) is None:
        yield f"{name}: no module docstring"
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if length > FUNCTION_LINES_MAX:
                seen[f"{name}:{node.name}"] = length


if __name__ == "__main__":
    lines = problems()
    print("\n".join(lines) or "tidy")
    sys.exit(1 if lines else 0)
