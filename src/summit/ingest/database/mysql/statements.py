"""Which tables a statement of the binary log changes the shape of. Pure.

In row format the log holds statements only for what is no row: `CREATE`, `ALTER`, `DROP`, `RENAME`,
`TRUNCATE`; and what a session wrote in statement format, whose rows nobody can know.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

_COMMENT: Final = re.compile(r"\s*(?:/\*(?!!).*?\*/|--[^\n]*\n|#[^\n]*\n)\s*", re.DOTALL)
_NAME: Final = r"(?:`(?:[^`]|``)+`|[^\s`.,;()]+)"
_FULL: Final = rf"({_NAME}(?:\s*\.\s*{_NAME})?)"
_HEAD: Final = re.compile(
    r"(?:CREATE\s+(?:OR\s+REPLACE\s+)?TABLE(?:\s+IF\s+NOT\s+EXISTS)?"
    r"|ALTER\s+(?:ONLINE\s+|OFFLINE\s+)?(?:IGNORE\s+)?TABLE(?:\s+IF\s+EXISTS)?"
    r"|DROP\s+TABLE(?:\s+IF\s+EXISTS)?|RENAME\s+TABLE(?:\s+IF\s+EXISTS)?"
    r"|TRUNCATE(?:\s+TABLE)?)\s+",
    re.IGNORECASE,
)
_FIRST: Final = re.compile(_FULL)
_DROPPED: Final = re.compile(rf"\s*,\s*{_FULL}")
_RENAMED: Final = re.compile(rf"\s*(?:,\s*{_FULL}\s+)?TO\s+{_FULL}", re.IGNORECASE)
_TO: Final = re.compile(
    rf"\bRENAME\s+(?:TO\s+|AS\s+)?(?!COLUMN\b|INDEX\b|KEY\b){_FULL}", re.IGNORECASE
)
_DATABASE: Final = re.compile(
    rf"DROP\s+(?:DATABASE|SCHEMA)(?:\s+IF\s+EXISTS)?\s+({_NAME})", re.IGNORECASE
)
_ROWS: Final = re.compile(r"(?:INSERT|UPDATE|DELETE|REPLACE|LOAD)\b", re.IGNORECASE)


class Statement(NamedTuple):
    """What a statement does.

    Attributes:
        verb: `create`, `alter`, `drop`, `rename`, `truncate`, `drop database`, `rows`; empty for
            everything that is none of ours.
        tables: The tables, as (database, table).
    """

    verb: str
    tables: tuple[tuple[str, str], ...] = ()


def parse(text: str, schema: str) -> Statement:
    """What a statement does.

    Args:
        schema: The database it was made in.

    >>> parse("ALTER TABLE `a b` ADD x INT", "shop").tables
    (('shop', 'a b'),)
    >>> parse("rename table a to b, x.c to d", "shop").tables
    (('shop', 'a'), ('shop', 'b'), ('x', 'c'), ('shop', 'd'))
    """
    while (found := _COMMENT.match(text)) is not None:
        text = text[found.end() :]
    text = text.lstrip()
    if _ROWS.match(text):
        return Statement("rows")
    dropped = _DATABASE.match(text)
    if dropped is not None:
        return Statement("drop database", ((_plain(dropped[1]), "*"),))
    head = _HEAD.match(text)
    first = _FIRST.match(text, head.end()) if head is not None else None
    if head is None or first is None:
        return Statement("")
    verb = text[: head.end()].split()[0].lower()
    names, place = [first[1]], first.end()
    following = {"drop": _DROPPED, "rename": _RENAMED}.get(verb)
    while following is not None and (found := following.match(text, place)) is not None:
        names += [one for one in found.groups() if one]
        place = found.end()
    if verb == "alter":
        names += [found[1] for found in _TO.finditer(text, place)][:1]
    return Statement(verb, tuple(_split(one, schema) for one in names))


def _split(name: str, schema: str) -> tuple[str, str]:
    parts = [_plain(one) for one in re.findall(_NAME, name)]
    return (parts[0], parts[1]) if len(parts) == 2 else (schema, parts[0])


def _plain(name: str) -> str:
    return name[1:-1].replace("``", "`") if name.startswith("`") else name
