"""Random expressions of the CEL subset and random events, for ours and for CEL itself.

Expressions are typed as CEL's are, but fields of events are not: any of them may be missing, null
or of another kind. A case is the text alone; what is written is what a user would write.
"""

from __future__ import annotations

import random
from typing import Any, Literal

FIELDS = {
    "int": ("i", "j", "m.i"),
    "double": ("d", "f", "m.d"),
    "text": ("s", "u", "m.s"),
    "bool": ("b", "m.b"),
    "list": ("l", "k"),
    "map": ("m", "n"),
}
KINDS = ("int", "double", "text", "bool")
TEXTS = ("", "a", "ab", "abc", "b", "Ä", "日本", "a.b", "x y", "root", "0")
PATTERNS = ("a", "^a", "b$", "a.c|b", "[ab]+", "^(?:ro{2}t)$", r"\\d", ".", "^$", "(?i)AB", "日")
Numbers = Literal["int", "double", "mixed"]


class Expressions:
    """Writes expressions; the same seed, the same texts.

    Args:
        numbers: What numbers there are: `int`, `double` (CEL has no arithmetic of both), or
            `mixed`: both, without arithmetic, compared with each other and with everything.
    """

    def __init__(self, seed: int, numbers: Numbers) -> None:
        self._rand = random.Random(seed)
        self._numbers = numbers
        self._variables: list[tuple[str, str]] = []

    def predicate(self, depth: int = 4) -> str:
        """A boolean expression."""
        return self._bool(depth)

    def _pick(self, *ways: Any) -> Any:
        return self._rand.choice(ways)

    def _of(self, kind: str, depth: int) -> str:
        make = {
            "int": self._int, "double": self._double, "text": self._text, "bool": self._bool,
            "list": self._list,
        }  # fmt: skip
        if kind in ("int", "double") and self._numbers != "mixed":
            kind = self._numbers
        return str(make[kind](depth))

    def _field(self, kind: str) -> str:
        named = [name for name, of in self._variables if of == kind]
        if named and self._rand.random() < 0.6:
            return self._pick(*named)
        if kind in ("int", "double", "text") and self._rand.random() < 0.1:
            at = self._pick('m["x"]', "l[0]", "k[1]", 'n["zz"]')
            return str(at)
        return str(self._pick(*FIELDS[kind]))

    def _int(self, depth: int) -> str:
        if depth <= 0 or self._rand.random() < 0.4:
            return (
                self._field("int") if self._rand.random() < 0.7 else str(self._rand.randint(0, 5))
            )
        d = depth - 1
        way = self._rand.randrange(1 if self._numbers == "mixed" else 0, 4)
        if way == 0:
            return f"({self._int(d)} {self._pick('+', '-', '*', '%')} {self._int(d)})"
        if way == 1:
            return f"size({self._pick(self._text, self._list)(d)})"
        if way == 2 and self._numbers != "mixed":
            return f"(-{self._int(d)})"
        return f"({self._bool(d)} ? {self._int(d)} : {self._int(d)})"

    def _double(self, depth: int) -> str:
        if depth <= 0 or self._rand.random() < 0.5:
            number = self._pick("0.5", "1.5", "2.25", "3.5", "10.75")
            return self._field("double") if self._rand.random() < 0.7 else str(number)
        d = depth - 1
        if self._numbers == "mixed":
            return f"({self._bool(d)} ? {self._double(d)} : {self._double(d)})"
        if self._rand.random() < 0.8:
            return f"({self._double(d)} {self._pick('+', '-', '*')} {self._double(d)})"
        return f"(-{self._double(d)})"

    def _text(self, depth: int) -> str:
        if depth <= 0 or self._rand.random() < 0.6:
            constant = f'"{self._pick(*TEXTS)}"'
            return self._field("text") if self._rand.random() < 0.7 else constant
        d = depth - 1
        if self._numbers != "mixed" and self._rand.random() < 0.6:
            return f"({self._text(d)} + {self._text(d)})"
        return f"({self._bool(d)} ? {self._text(d)} : {self._text(d)})"

    def _list(self, depth: int) -> str:
        if depth > 0 and self._rand.random() < 0.2:
            return f"({self._list(depth - 1)} + {self._list(depth - 1)})"
        if depth <= 0 or self._rand.random() < 0.5:
            return self._field("list")
        # Constants: an item that cannot be computed is null for us, and an error in CEL.
        return "[" + ", ".join(self._constant() for _ in range(self._rand.randrange(4))) + "]"

    def _constant(self) -> str:
        kind = self._pick("int", "double", "text")
        if kind in ("int", "double") and self._numbers != "mixed":
            kind = self._numbers
        if kind == "int":
            return str(self._rand.randint(-3, 6))
        if kind == "double":
            return str(self._pick("0.5", "1.125", "2.125", "-1.625"))
        return f'"{self._pick(*TEXTS)}"'

    def _bool(self, depth: int) -> str:
        if depth <= 0:
            return self._pick("true", "false") if self._rand.random() < 0.2 else self._field("bool")
        d = depth - 1
        way = self._rand.randrange(12)
        if way <= 1:
            joined = f" {self._pick('&&', '||')} ".join(self._bool(d) for _ in range(2))
            return f"({joined})"
        if way == 2:
            return f"!({self._bool(d)})"
        if way <= 5:
            return self._comparison(d)
        if way == 6:
            field = self._pick("m.x", "m.i", "n.zz", "m.s", "n.y")
            return f"has({field})"
        if way == 7:
            text, part = self._text(d), self._text(d)
            test = self._pick("startsWith", "endsWith", "contains")
            # Ours also looks into lists and maps; a sum with a text is a text or an error.
            return (
                f'("" + {text}).{test}({part})'
                if test == "contains"
                else f"({text}).{test}({part})"
            )
        if way == 8:
            return f'({self._text(d)}).matches("{self._pick(*PATTERNS)}")'
        if way == 9:
            kind = self._pick("int", "text", "double")
            into = self._list(d) if self._rand.random() < 0.7 else self._pick(*FIELDS["map"])
            return f"({self._of(kind, d)} in {into})"
        if way == 10 and len(self._variables) < 2:
            return self._quantified(d)
        return f"({self._bool(d)} ? {self._bool(d)} : {self._bool(d)})"

    def _comparison(self, depth: int) -> str:
        op = self._pick("==", "!=", "<", "<=", ">", ">=")
        kind = self._pick("int", "double", "text")
        if op in ("==", "!=") and self._rand.random() < 0.3:
            kind = self._pick("bool", "list")
        other = kind
        if self._numbers == "mixed" and self._rand.random() < 0.5:
            other = self._pick(*KINDS) if op in ("==", "!=") else self._pick("int", "double")
        if self._rand.random() < 0.1:
            source = self._pick(self._text, self._list)(depth)
            return f"(size({source}) {op} {self._rand.randrange(4)})"
        return f"({self._of(kind, depth)} {op} {self._of(other, depth)})"

    def _quantified(self, depth: int) -> str:
        name = f"v{len(self._variables)}"
        source = self._list(depth)
        self._variables.append((name, self._pick(*KINDS)))
        body = self._bool(depth)
        self._variables.pop()
        return f"{source}.{self._pick('exists', 'all')}({name}, {body})"


class Events:
    """Makes events whose fields are mostly, but not always, of the kind that expressions think."""

    def __init__(self, seed: int, numbers: Numbers) -> None:
        self._rand = random.Random(seed)
        self._numbers = numbers
        self._odd = sorted(FIELDS)

    def one(self, *, maps: bool = False, booleans: bool = True) -> dict[str, Any]:
        """An event; a root name may be missing.

        Args:
            maps: Whether what `has` looks into is always a map.
            booleans: Whether there are any where expressions think of something else.
        """
        self._odd = sorted(FIELDS) if booleans else sorted(FIELDS.keys() - {"bool"})
        event = {name: self._value(kind) for kind, names in FIELDS.items()
                 for name in names if "." not in name}  # fmt: skip
        if self._rand.random() < 0.3:
            del event[self._rand.choice(sorted(event))]
        if maps:
            event |= {name: self._map() for name in FIELDS["map"]}
        return event

    def _value(self, kind: str) -> Any:
        rand = self._rand
        if rand.random() < 0.15:
            kind = rand.choice(self._odd)
        if kind in ("int", "double") and self._numbers != "mixed":
            kind = self._numbers
        if kind == "int":
            return rand.randint(-3, 6)
        if kind == "double":
            return rand.randint(-8, 44) / 4 + 0.125
        if kind == "text":
            return rand.choice(TEXTS)
        if kind == "bool":
            return rand.random() < 0.5
        if kind == "list":
            of = rand.choice([kind for kind in KINDS if kind in self._odd])
            return [self._value(of) for _ in range(rand.randrange(4))]
        return self._map()

    def _map(self) -> dict[str, Any]:
        members = {"i": "int", "d": "double", "s": "text", "b": "bool", "x": "text", "y": "int"}
        return {name: self._value(of) for name, of in members.items() if self._rand.random() < 0.7}
