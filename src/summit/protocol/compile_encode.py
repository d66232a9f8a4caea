"""Writes the source of one encode function for a message class at one version.

Shape of the result; `w` is the `append` of a list of buffers, so that records are never copied:

    def encode(o0, w):
        try:
            b1 = o0.group_id.encode()
            w(P_h(len(b1))); w(b1)
            ...
        except MISTAKES as error: raise cannot_encode(WHAT, error) from error

A None where the version allows none, an integer out of range or a missing attribute is a mistake
of ours: Internal("protocol.encode").
"""

from __future__ import annotations

from struct import Struct
from typing import Any

from summit.protocol.compile_decode import fields_of, tags_of
from summit.protocol.message import Field, Message, WireType


class EncodeWriter:
    """Collects the lines of one encode function and the names they use."""

    def __init__(self, version: int, *, flexible: bool) -> None:
        self.version = version
        self.flexible = flexible
        self.lines: list[str] = []
        self.space: dict[str, Any] = {}
        self._indent = 2
        self._serial = 0
        self._write = "w"
        self._group: list[tuple[str, str]] = []  # (expression, struct code), not yet written

    def source(self, message: type[Message]) -> str:
        """The whole function for one top-level message."""
        self._struct(message, "o")
        head = ["def encode(o, w):", "    try:"]
        tail = [
            "    except MISTAKES as error:",
            "        raise cannot_encode(WHAT, error) from error",
        ]
        return "\n".join(head + (self.lines or ["        pass"]) + tail)

    def _line(self, text: str) -> None:
        self.lines.append("    " * self._indent + text)

    def _fresh(self, prefix: str) -> str:
        self._serial += 1
        return f"{prefix}{self._serial}"

    def _flush(self) -> None:
        if not self._group:
            return
        code = "".join(code for _, code in self._group)
        name = "P_" + code.replace("?", "z")
        self.space.setdefault(name, Struct(">" + code).pack)
        self._line(f"{self._write}({name}({', '.join(value for value, _ in self._group)}))")
        self._group.clear()

    # ---- structures ----

    def _struct(self, message: type[Message], var: str) -> None:
        for row in fields_of(message, self.version):
            self._value(row.type, f"{var}.{row.name}", row)
        self._flush()
        if self.flexible:
            self._tags(message, var)

    def _tags(self, message: type[Message], var: str) -> None:
        rows = tags_of(message, self.version)
        if not rows:
            self._line(f'{self._write}(b"\\0")')
            return
        outer = self._write
        tagged, count = self._fresh("q"), self._fresh("t")
        self._line(f"{tagged} = []")
        self._line(f"{count} = 0")
        for row in rows:
            inner, joined = self._fresh("q"), self._fresh("b")
            self._line(f"if {self._present(row, var)}:")
            self._indent += 1
            self._line(f"{inner} = []")
            self._write = f"{inner}.append"
            self._value(row.type, f"{var}.{row.name}", row)
            self._flush()
            self._write = outer
            self._line(f'{joined} = b"".join({inner})')
            self._line(f"{tagged} += uvarint({row.tag}), uvarint(len({joined})), {joined}")
            self._line(f"{count} += 1")
            self._indent -= 1
        self._line(f"{outer}(uvarint({count}))")
        self._line(f'if {count}: {outer}(b"".join({tagged}))')

    def _present(self, row: Field, var: str) -> str:
        """The test whether a tagged field differs from its default and so is written."""
        zero = row.zero
        if zero is None:
            return f"{var}.{row.name} is not None"
        if isinstance(zero, list):
            return f"{var}.{row.name}"
        if not isinstance(zero, int | float | str | bytes):
            name = self._fresh("Z")
            self.space[name] = zero
            return f"{var}.{row.name} != {name}"
        return f"{var}.{row.name} != {zero!r}"

    # ---- values ----

    def _value(self, wire_type: WireType, source: str, row: Field | None) -> None:
        match wire_type.kind:
            case "fixed":
                self._group.append((source, wire_type.code))
            case "uuid":
                self._group.append((f"{source}.bytes", wire_type.code))
            case "struct":
                self._flush()
                if row is not None and self.version in row.nullable:
                    self._line(f'{self._write}(b"\\xff" if {source} is None else b"\\1")')
                    self._line(f"if {source} is not None:")
                    self._indent += 1
                    self._struct(wire_type.message, source)
                    self._indent -= 1
                else:
                    self._struct(wire_type.message, source)
            case _:
                self._sized(wire_type, source, row)

    def _sized(self, wire_type: WireType, source: str, row: Field | None) -> None:
        if row is None or self.version not in row.nullable:
            self._body(wire_type, source)
            return
        self._flush()
        value = self._fresh("v")
        self._line(f"{value} = {source}")
        null = b"\0" if self.flexible else b"\xff" * (2 if wire_type.kind == "string" else 4)
        self._line(f"if {value} is None: {self._write}({null!r})")
        self._line("else:")
        self._indent += 1
        self._body(wire_type, value)
        self._flush()
        self._indent -= 1

    def _body(self, wire_type: WireType, source: str) -> None:
        if wire_type.kind == "array":
            self._array(wire_type.item, source)
            return
        value = self._fresh("b")
        if wire_type.kind == "records":
            self._line(f"{value} = {source}")
            self._line(f"if {value}.__class__ not in LISTS: {value} = ({value},)")
            self._length("i", f"sum(map(len, {value}))")
            self._flush()
            self._line(f"for piece in {value}: {self._write}(piece)")
            return
        if wire_type.kind == "string":
            self._line(f"{value} = {source}.encode()")
            self._length("h", f"len({value})")
        else:
            self._line(f"{value} = {source}")
            self._length("i", f"len({value})")
        self._flush()
        self._line(f"{self._write}({value})")

    def _length(self, code: str, expression: str) -> None:
        if not self.flexible:
            self._group.append((expression, code))
            return
        self._flush()
        count = self._fresh("n")
        self._line(f"{count} = {expression} + 1")
        self._line(f"{self._write}(SMALL[{count}] if {count} < 128 else uvarint({count}))")

    def _array(self, item: WireType, source: str) -> None:
        items = self._fresh("a")
        self._line(f"{items} = {source}")
        self._length("i", f"len({items})")
        self._flush()
        if item.kind == "fixed":
            self._line(f'{self._write}(pack(f">{{len({items})}}{item.code}", *{items}))')
            return
        var = self._fresh("o")
        self._line(f"for {var} in {items}:")
        self._indent += 1
        before = len(self.lines)
        self._value(item, var, None)
        self._flush()
        if len(self.lines) == before:
            self._line("pass")
        self._indent -= 1
