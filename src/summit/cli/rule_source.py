"""RULE on the command line: a file's rule, or one in force, or an earlier revision of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from summit.base.errors import Invalid
from summit.cli.rule_files import SUFFIXES, load_documents


class Named(NamedTuple):
    """A checked rule and what to call it; `topics` of files may differ from what is in force."""

    label: str
    document: Any


async def find_rule(servers: list[str], text: str, *, of: str | None = None) -> Named:
    """The rule that a text names.

    `FILE` with one pattern, `FILE#ID` for one of several, `ID` for the rule in force, `ID@3` for
    its revision 3; where another rule is known (`of`), `3` alone is that one's.

    Raises: Invalid: `rules.choose`, `definition.unknown`, `rules.no_revision`, or what is wrong
        with the document; Unavailable.
    """
    path, _, chosen = text.partition("#")
    if Path(path).is_file() or Path(path).suffix in SUFFIXES:
        return _of_file(path, chosen)
    from summit.cli.definitions import following
    from summit.documents import validate_pattern

    rule, _, revision = text.rpartition("@") if "@" in text else (text, "", "")
    if of is not None and text.isdigit():
        rule, revision = of, text
    async with following(servers) as definitions:
        if not revision:
            found = definitions.get("pattern", rule)
            return Named(f"{rule}@{found.version}", validate_pattern(found.document))
        changes = definitions.log.history("pattern", rule)
        known = [change.definition for change in changes if change.definition is not None]
        if not known:
            raise Invalid("definition.unknown", kind="pattern", id=rule)
        for one in known:
            if str(one.version) == revision:
                return Named(f"{rule}@{revision}", validate_pattern(one.document))
        listed = ", ".join(str(one.version) for one in known)
        raise Invalid("rules.no_revision", rule=rule, revision=revision, known=listed)


def _of_file(path: str, chosen: str) -> Named:
    from summit.documents import validate_pattern

    parsed = [one for one in load_documents([path]) if one.kind == "pattern"]
    ids = [one.id for one in parsed]
    if chosen:
        parsed = [one for one in parsed if one.id == chosen]
    if len(parsed) != 1:
        raise Invalid("rules.choose", path=path, known=", ".join(ids) or "none", example=
                      f"{path}#{ids[0] if ids else 'ID'}")  # fmt: skip
    (one,) = parsed
    document = validate_pattern({"kind": one.kind, "id": one.id, **one.values})
    return Named(f"{path}#{one.id}", document)
