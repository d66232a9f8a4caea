"""RULE on the command line: a file's rule, or one in force, or an earlier revision of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from summit.base.errors import Invalid
from summit.cli.rule_files import SUFFIXES, load_documents

ALL_KINDS: Final = ("pattern", "correlation", "query")


class Named(NamedTuple):
    """A checked rule and what to call it; `topics` of files may differ from what is in force.

    Attributes:
        others: What stands beside it, in its file or in force, what acts before rules included.
    """

    label: str
    document: Any
    kind: str
    others: Sequence[Mapping[str, Any]] = ()


async def find_rule(
    servers: list[str],
    text: str,
    *,
    of: Named | None = None,
    kinds: Sequence[str] = ("pattern",),
) -> Named:
    """The rule that a text names.

    `FILE` with one rule, `FILE#ID` for one of several, `ID` for the rule in force, `ID@3` for
    its revision 3; where another rule is known (`of`), `3` alone is that one's. `KIND:ID` where
    several kinds have the id; without it the first of `kinds`.

    Raises: Invalid: `rules.choose`, `definition.unknown`, `rules.no_revision`, or what is wrong
        with the document; Unavailable.
    """
    if of is not None:
        kinds = (of.kind,)
    path, _, chosen = text.partition("#")
    if Path(path).is_file() or Path(path).suffix in SUFFIXES:
        return _of_file(path, chosen, kinds)
    from summit.cli.definitions import following
    from summit.flow.stage_plans import STAGE_KINDS

    rule, _, revision = text.rpartition("@") if "@" in text else (text, "", "")
    if of is not None and text.isdigit():
        rule, revision = of.document.id, text
    named, _, rest = rule.partition(":")
    if rest and named in kinds:
        kinds, rule = (named,), rest
    async with following(servers) as definitions:
        others = [
            {"kind": kind, "id": one.id, **one.document}
            for kind in STAGE_KINDS
            for one in definitions.log.registered(kind)
        ]
        if not revision:
            there = [kind for kind in kinds if definitions.log.get(kind, rule) is not None]
            kind = (there or kinds)[0]
            found = definitions.get(kind, rule)
            return Named(f"{rule}@{found.version}", _checked(kind, found.document), kind, others)
        for kind in kinds:
            changes = definitions.log.history(kind, rule)
            known = [change.definition for change in changes if change.definition is not None]
            for one in known:
                if str(one.version) == revision:
                    checked = _checked(kind, one.document)
                    return Named(f"{rule}@{revision}", checked, kind, others)
            if known:
                listed = ", ".join(str(one.version) for one in known)
                raise Invalid("rules.no_revision", rule=rule, revision=revision, known=listed)
        raise Invalid("definition.unknown", kind=kinds[0], id=rule)


def _checked(kind: str, document: Mapping[str, Any]) -> Any:
    """The document of a rule. Raises: Invalid for what is wrong with it."""
    from summit.flow.kinds import RULE_KINDS

    return RULE_KINDS[kind].validate(document)


def _of_file(path: str, chosen: str, kinds: Sequence[str]) -> Named:
    named, _, rest = chosen.partition(":")
    if rest and named in kinds:
        kinds, chosen = (named,), rest
    documents = load_documents([path])
    parsed = [one for one in documents if one.kind in kinds]
    ids = [one.id for one in parsed]
    if chosen:
        parsed = [one for one in parsed if one.id == chosen]
    if len(parsed) != 1:
        raise Invalid("rules.choose", path=path, known=", ".join(ids) or "none", example=
                      f"{path}#{ids[0] if ids else 'ID'}")  # fmt: skip
    (one,) = parsed
    document = _checked(one.kind, {"kind": one.kind, "id": one.id, **one.values})
    others = [{"kind": each.kind, "id": each.id, **each.values} for each in documents]
    return Named(f"{path}#{one.id}", document, one.kind, others)
