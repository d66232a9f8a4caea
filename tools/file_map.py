"""Writes the file map of ARCHITECTURE.md from the first line of every module's docstring.

Usage: file_map.py [--check]. The map stands between two marker comments; the rest is left alone.
"""

from __future__ import annotations

import ast
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src" / "summit"
BEGIN, END = "<!-- file map: begin -->", "<!-- file map: end -->"


def file_map() -> str:
    """One table a room, one row a file."""
    rooms: dict[str, list[Path]] = {}
    for path in sorted(SOURCE.rglob("*.py")):
        if path.name != "__init__.py":
            parts = path.relative_to(SOURCE).parts
            rooms.setdefault(parts[0] if len(parts) > 1 else "", []).append(path)
    lines: list[str] = []
    for room, paths in rooms.items():
        about = _first_line(SOURCE / room / "__init__.py") if room else "The package itself."
        lines += [f"### {room or 'summit'}", "", about, "", "| file | holds |", "|---|---|"]
        for path in paths:
            name = path.relative_to(SOURCE).as_posix()
            lines.append(f"| `{name}` | {_first_line(path)} |")
        lines.append("")
    return "\n".join(lines)


def _first_line(path: Path) -> str:
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    paragraph = docstring.split("\n\n")[0]
    return " ".join(paragraph.split()).replace("|", "\\|")


def main() -> int:
    target = ROOT / "ARCHITECTURE.md"
    text = target.read_text(encoding="utf-8")
    head, rest = text.split(BEGIN)
    tail = rest.split(END)[1]
    fresh = f"{head}{BEGIN}\n{file_map()}{END}{tail}"
    if "--check" in sys.argv:
        if fresh != text:
            print("ARCHITECTURE.md: the file map is stale; run tools/file_map.py")
            return 1
        return 0
    target.write_text(fresh, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
