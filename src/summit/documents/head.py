"""The head of a document: the fields that every kind has."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from summit.documents.section import Section, kind_name

HEAD_FIELDS: Final = (
    "kind", "id", "name", "description", "enabled", "version", "owner", "tags",
)  # fmt: skip
_ID: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._:-]{0,199}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Head:
    """Their values; `id` is None only when there is a problem."""

    id: str | None
    name: str | None = None
    description: str = ""
    enabled: bool = True
    version: int | str | None = None
    owner: str | None = None
    tags: tuple[str, ...] = ()


def read_head(section: Section, kind: str) -> Head:
    """Read them from a document of a kind."""
    given = section.values.get("kind", kind)
    if given != kind:
        section.note("kind", f"must be '{kind}' here, not {given!r}")
    version = section.values.get("version")
    if version is not None and (isinstance(version, bool) or not isinstance(version, (int, str))):
        section.note("version", f"must be a whole number or a text, not {kind_name(version)}")
        version = None
    description = section.values.get("description")
    if description is not None and not isinstance(description, str):
        section.note("description", f"must be a text, not {kind_name(description)}")
        description = None
    return Head(
        id=read_id(section, "id"),
        name=section.text("name"),
        description=description or "",
        enabled=section.flag("enabled", default=True),
        version=version,
        owner=section.text("owner"),
        tags=section.texts("tags"),
    )


def read_id(section: Section, name: str) -> str | None:
    """An id: it is part of topics' record keys and of web addresses."""
    text = section.text(name, required=True)
    if text is not None and not _ID.fullmatch(text):
        section.note(
            name, f"'{text[:80]}' must consist of letters, digits and . _ : - (at most 200)"
        )
        return None
    return text


def subject_of(kind: str, values: Mapping[str, Any], source: str) -> str:
    """Names a document in an error's text."""
    found = values.get("id")
    named = f"{kind} '{found}'" if isinstance(found, str) and found else f"a {kind} without an id"
    return f"{source}: {named}" if source else named
