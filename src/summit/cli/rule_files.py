"""Reading rule documents from files and folders."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from summit.base.errors import Invalid

SUFFIXES = (".yaml", ".yml", ".json")


def load_documents(places: Iterable[str]) -> list[Any]:
    """Every document of the files and folders, in the order of their names.

    Raises: Invalid: `rules.none`, `file.unreadable`, or what is wrong with a document.
    """
    from summit.documents import parse_documents

    listed = list(places)
    parsed: list[Any] = []
    for path in _files(listed):
        try:
            text = path.read_bytes()
        except OSError as error:
            raise _unreadable(str(path), error) from error
        parsed += parse_documents(text, str(path))
    if not parsed:
        raise Invalid("rules.none", places=", ".join(listed) or "nothing")
    return parsed


def _files(places: list[str]) -> list[Path]:
    found: list[Path] = []
    for place in places:
        path = Path(place)
        if path.is_dir():
            found += sorted(p for p in path.rglob("*") if p.suffix in SUFFIXES and p.is_file())
        elif path.exists():
            found.append(path)
        else:
            raise Invalid("file.unreadable", path=place, reason="there is no such file")
    return found


def _unreadable(path: str, error: OSError) -> Invalid:
    return Invalid("file.unreadable", path=path, reason=error.strerror or str(error))
