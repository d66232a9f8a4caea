"""Writes the source of one decode function for a message class at one version.

The source is straight-line: neighbouring fixed-size fields are one `unpack_from`, version and
flexibility are decided here and never tested at run time. Shape of the result:

    def decode(buf, p):          # buf: memoryview of the frame, p: position
        end = len(buf)
        try:
            o0 = new(HeartbeatRequest)
            n1, = U_h(buf, p); p += 2
            ...
        except (struct_error, IndexError): raise truncated(WHAT) from None
        return o0, p

Every length is compared with the bytes that are left before anything of that length is made, and
`left` counts down the array entries that a message may still have: bytes that cost nothing to send
must not become objects without end.
"""

from __future__ import annotations

from struct import Struct
from typing import Any

from summit.protocol.message import Field, Message, WireType


def size_min(wire_type: WireType, version: int, *, flexible: bool) -> int:
    """The fewest bytes a value of this type takes; arrays are checked against it."""
    match wire_type.kind:
        case "fixed" | "uuid":
            return wire_type.size
        case "string":
            return 1 if flexible else 2
        case "struct":
            rows = fields_of(wire_type.message, version)
            total = sum(
                1  # null
                if row.type.kind == "struct" and version in row.nullable
                else size_min(row.type, version, flexible=flexible)
                for row in rows
            )
            return total + (1 if flexible else 0)
        case _:
            return 1 if flexible else 4


def fields_of(message: type[Message], version: int) -> list[Field]:
    """The untagged fields that the version has, in wire order."""
    return [row for row in message.FIELDS if row.tag is None and version in row.versions]


def tags_of(message: type[Message], version: int) -> list[Field]:
    """The tagged fields that the version has, by tag."""
    rows = [row for row in message.FIELDS if row.tag is not None and version in row.versions]
    return sorted(rows, key=lambda row: row.tag or 0)


class DecodeWriter:
    """Collects the lines of one decode function and the names they use."""

    def __init__(self, version: int, *, flexible: bool) -> None:
        self.version = version
        self.flexible = flexible
        self.lines: list[str] = []
        self.space: dict[str, Any] = {}
        self._indent = 2
        self._serial = 0
        self._group: list[tuple[str, str]] = []  # (target, struct code), not yet written

    def source(self, message: type[Message]) -> str:
        """The whole function for one top-level message."""
        target = self._fresh("o")
        self._struct(message, target)
        head = ["def decode(buf, p):", "    end = len(buf)", "    left = ITEMS_MAX", "    try:"]
        tail = [
            "    except (struct_error, IndexError):",
            "        raise truncated(WHAT) from None",
            "    except UnicodeDecodeError:",
            "        raise bad_text(WHAT) from None",
            f"    return {target}, p",
        ]
        return "\n".join(head + self.lines + tail)

    # ---- lines and names ----

    def _line(self, text: str) -> None:
        self.lines.append("    " * self._indent + text)

    def _fresh(self, prefix: str) -> str:
        self._serial += 1
        return f"{prefix}{self._serial}"

    def _constant(self, prefix: str, value: Any) -> str:
        for name, known in self.space.items():
            if known is value:
                return name
        name = self._fresh(prefix)
        self.space[name] = value
        return name

    def _unpack(self, code: str) -> str:
        name = "U_" + code.replace("?", "z")
        if name not in self.space:
            self.space[name] = Struct(">" + code).unpack_from
        return name

    def _flush(self) -> None:
        if not self._group:
            return
        code = "".join(code for _, code in self._group)
        targets = ", ".join(target for target, _ in self._group)
        comma = "," if len(self._group) == 1 else ""
        self._line(f"{targets}{comma} = {self._unpack(code)}(buf, p)")
        self._line(f"p += {Struct('>' + code).size}")
        uuids = [target for target, code in self._group if code == "16s"]
        self._group.clear()
        for target in uuids:
            self._line(f"{target} = uuid_of({target})")

    # ---- structures ----

    def _struct(self, message: type[Message], var: str) -> None:
        self._line(f"{var} = new({self._constant('C', message)})")
        for row in message.FIELDS:
            target = f"{var}.{row.name}"
            if self.version not in row.versions or row.tag is not None:
                self._line(f"{target} = {self._zero(row)}")
            else:
                self._value(row.type, target, row, f"{message.__name__}.{row.name}")
        self._flush()
        if self.flexible:
            self._tags(message, var)

    def _zero(self, row: Field) -> str:
        zero = row.zero
        if isinstance(zero, list):
            return "[]"
        if zero is None or isinstance(zero, int | float | str | bytes):
            return repr(zero)
        return self._constant("Z", zero)

    def _tags(self, message: type[Message], var: str) -> None:
        rows = tags_of(message, self.version)
        if not rows:
            self._line("if buf[p]: p = skip_tags(buf, p)")
            self._line("else: p += 1")
            return
        tag, size, stop = self._fresh("t"), self._fresh("n"), self._fresh("e")
        self._line("if buf[p]:")
        self._indent += 1
        self._line(f"{size}, p = uvarint(buf, p)")
        self._line(f"if {size} > TAGS_MAX: raise too_many_tags({message.__name__!r})")
        self._line(f"for _ in range({size}):")
        self._indent += 1
        self._line(f"{tag}, p = uvarint(buf, p)")
        self._line(f"{size}, p = uvarint(buf, p)")
        self._line(f"{stop} = p + {size}")
        self._line(f"if {stop} > end: raise truncated(WHAT)")
        for index, row in enumerate(rows):
            what = f"{message.__name__}.{row.name}"
            self._line(f"{'el' if index else ''}if {tag} == {row.tag}:")
            self._indent += 1
            self._value(row.type, f"{var}.{row.name}", row, what)
            self._flush()
            self._line(f"if p != {stop}: raise bad_tag({what!r})")
            self._indent -= 1
        self._line(f"else: p = {stop}")
        self._indent -= 2
        self._line("else: p += 1")

    # ---- values ----

    def _value(self, wire_type: WireType, target: str, row: Field | None, what: str) -> None:
        if wire_type.kind in ("fixed", "uuid"):
            self._group.append((target, wire_type.code))
            return
        if wire_type.kind == "struct":
            self._flush()
            if row is not None and self.version in row.nullable:
                self._line(f"{target} = None")
                self._line("p += 1")
                self._line("if buf[p - 1] < 128:")  # a byte that is negative stands for null
                self._indent += 1
                self._nested(wire_type.message, target)
                self._indent -= 1
            else:
                self._nested(wire_type.message, target)
            return
        length = self._length(wire_type)
        self._line(f"if {length} < 0:")
        if row is not None and self.version in row.nullable:
            self._line(f"    if {length} != -1: raise not_nullable({what!r})")
            self._line(f"    {target} = None")
            self._line("else:")
            self._indent += 1
            self._body(wire_type, target, length, what)
            self._indent -= 1
        else:
            self._line(f"    raise not_nullable({what!r})")
            self._body(wire_type, target, length, what)

    def _nested(self, message: type[Message], target: str) -> None:
        var = self._fresh("o")
        self._struct(message, var)
        self._line(f"{target} = {var}")

    def _length(self, wire_type: WireType) -> str:
        """Read a length into a fresh variable: -1 is null."""
        var = self._fresh("n")
        if self.flexible:
            self._flush()
            self._line(f"{var} = buf[p] - 1")
            self._line("p += 1")
            self._line(f"if {var} > 126:")
            self._line(f"    {var}, p = uvarint(buf, p - 1)")
            self._line(f"    {var} -= 1")
        else:
            self._group.append((var, "h" if wire_type.kind == "string" else "i"))
            self._flush()
        return var

    def _body(self, wire_type: WireType, target: str, length: str, what: str) -> None:
        if wire_type.kind == "array":
            self._array(wire_type.item, target, length, what)
            return
        stop = self._fresh("e")
        self._line(f"{stop} = p + {length}")
        self._line(f"if {stop} > end: raise truncated({what!r})")
        piece = {
            "string": f'str(buf[p:{stop}], "utf-8")',
            "bytes": f"bytes(buf[p:{stop}])",
            "records": f"buf[p:{stop}]",
        }[wire_type.kind]
        self._line(f"{target} = {piece}")
        self._line(f"p = {stop}")

    def _array(self, item: WireType, target: str, length: str, what: str) -> None:
        least = size_min(item, self.version, flexible=self.flexible)
        assert least > 0, what  # an item of no bytes could not be bounded
        self._line(f"if {length} * {least} > end - p: raise truncated({what!r})")
        self._line(f"left -= {length}")
        self._line(f"if left < 0: raise too_many({what!r})")
        if item.kind == "fixed":
            self._line(f'{target} = list(unpack_from(f">{{{length}}}{item.code}", buf, p))')
            self._line(f"p += {length} * {item.size}")
            return
        items, var = self._fresh("a"), self._fresh("o")
        self._line(f"{items} = []")
        self._line(f"for _ in range({length}):")
        self._indent += 1
        if item.kind == "struct":
            self._struct(item.message, var)
        else:
            self._value(item, var, None, what)
            self._flush()
        self._line(f"{items}.append({var})")
        self._indent -= 1
        self._line(f"{target} = {items}")
