"""The table language: wire types, `field`, and the `Message` base class.

A message is a class whose body is its table; one class serves all versions:

    class HeartbeatRequest(Message):
        group_id: str = field(STRING, "0+")
        group_instance_id: str | None = field(STRING, "3+", nullable="3+", default=None)

The metaclass turns the table into a slotted class with keyword-only construction; `compiler`
turns it into one pair of functions per version. A field that a version lacks is not written, and
is set to its default when read. A field without `default` must be given to the constructor, so
that nobody gets a silent 0 where the protocol means -1.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Final, NamedTuple, dataclass_transform

from summit.protocol.primitives import ZERO_UUID

VERSION_MAX: Final = 32767


class WireType(NamedTuple):
    """How a value looks on the wire.

    `kind` is fixed, uuid, string, bytes, records, array or struct; `code` and `size` are the
    `struct` code and byte count of fixed kinds; `item` is the item type of an array; `message`
    the class of a struct; `zero` the value of a field that has no default of its own.
    """

    kind: str
    code: str = ""
    size: int = 0
    item: Any = None
    message: Any = None
    zero: Any = None


INT8: Final = WireType("fixed", "b", 1, zero=0)
INT16: Final = WireType("fixed", "h", 2, zero=0)
UINT16: Final = WireType("fixed", "H", 2, zero=0)
INT32: Final = WireType("fixed", "i", 4, zero=0)
INT64: Final = WireType("fixed", "q", 8, zero=0)
FLOAT64: Final = WireType("fixed", "d", 8, zero=0.0)
BOOL: Final = WireType("fixed", "?", 1, zero=False)
UUID: Final = WireType("uuid", "16s", 16, zero=ZERO_UUID)
STRING: Final = WireType("string", zero="")
BYTES: Final = WireType("bytes", zero=b"")
RECORDS: Final = WireType("records")


def ARRAY(item: WireType | type[Message]) -> WireType:  # noqa: N802 - stands among the constants
    """An array of a wire type or of a message class."""
    return WireType("array", item=item if isinstance(item, WireType) else STRUCT(item), zero=[])


def STRUCT(message: type[Message]) -> WireType:  # noqa: N802 - stands among the constants
    """A message class inside another; None stands for an absent tagged struct."""
    return WireType("struct", message=message)


class Versions(NamedTuple):
    """A closed range of versions; empty when `first > last`."""

    first: int
    last: int

    def __contains__(self, version: object) -> bool:
        return isinstance(version, int) and self.first <= version <= self.last


def parse_versions(text: str) -> Versions:
    """Parse `"3+"`, `"3-13"`, `"2"` or `""` (no version).

    Example:
        >>> parse_versions("3-13")
        Versions(first=3, last=13)
    """
    if not text:
        return Versions(0, -1)
    if text.endswith("+"):
        return Versions(int(text[:-1]), VERSION_MAX)
    first, _, last = text.partition("-")
    return Versions(int(first), int(last or first))


class _Required:
    """The mark of a field that the constructor must be given."""


REQUIRED: Final = _Required()


class Field:
    """One row of a table; made by `field`, named by the metaclass."""

    __slots__ = ("default", "default_factory", "name", "nullable", "tag", "type", "versions")

    def __init__(self, wire_type: WireType, versions: str, nullable: str, tag: int | None) -> None:
        self.name = ""
        self.type = wire_type
        self.versions = parse_versions(versions)
        self.nullable = parse_versions(nullable)
        self.tag = tag
        self.default: Any = REQUIRED
        self.default_factory: Callable[[], Any] | None = None

    @property
    def zero(self) -> Any:
        """The value when a version lacks the field; arrays get a fresh list from the decoder."""
        if self.default is not REQUIRED:
            return self.default
        if self.default_factory is None and self.nullable.last >= 0:
            return None
        return self.type.zero


def field(
    wire_type: WireType,
    versions: str,
    *,
    nullable: str = "",
    tag: int | None = None,
    default: Any = REQUIRED,
    default_factory: Callable[[], Any] | None = None,
) -> Any:
    """State one field of a message.

    Args:
        wire_type: One of the constants above.
        versions: In which versions the field exists: `"3+"`, `"0-12"`.
        nullable: In which versions null is allowed.
        tag: The tag number of a tagged field; it is written only when it differs from `default`.
        default: The value when it is not given, or when the version lacks it.
        default_factory: The same for lists.
    """
    row = Field(wire_type, versions, nullable, tag)
    row.default = default
    row.default_factory = default_factory
    return row


@dataclass_transform(kw_only_default=True, field_specifiers=(field,))
class MessageType(type):
    """Metaclass of `Message`: takes the rows out of the class body and makes slots of them."""

    FIELDS: tuple[Field, ...]

    def __new__(mcs, name: str, bases: tuple[type, ...], namespace: dict[str, Any]) -> MessageType:
        rows = []
        for key, value in list(namespace.items()):
            if isinstance(value, Field):
                value.name = key
                rows.append(value)
                del namespace[key]
        namespace["__slots__"] = tuple(row.name for row in rows)
        cls = super().__new__(mcs, name, bases, namespace)
        cls.FIELDS = tuple(rows)
        return cls


class Message(metaclass=MessageType):
    """Base of all messages; compared by value, not hashable."""

    FIELDS: ClassVar[tuple[Field, ...]]

    def __init__(self, **values: Any) -> None:
        # The real constructor is written at first use: most classes are only ever decoded.
        cls = type(self)
        cls.__init__ = _constructor(cls)  # type: ignore[method-assign]
        cls.__init__(self, **values)

    def __eq__(self, other: object) -> bool:
        if type(self) is not type(other):
            return NotImplemented
        return all(getattr(self, row.name) == getattr(other, row.name) for row in self.FIELDS)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        inside = ", ".join(f"{row.name}={getattr(self, row.name, '?')!r}" for row in self.FIELDS)
        return f"{type(self).__name__}({inside})"


def _constructor(cls: type[Message]) -> Callable[..., None]:
    parameters = []
    body = []
    space: dict[str, Any] = {"REQUIRED": REQUIRED}
    for row in cls.FIELDS:
        name = row.name
        if row.default_factory is not None:
            space[f"make_{name}"] = row.default_factory
            parameters.append(f"{name}=REQUIRED")
            body.append(f" self.{name} = make_{name}() if {name} is REQUIRED else {name}")
            continue
        if row.default is not REQUIRED:
            space[f"default_{name}"] = row.default
            parameters.append(f"{name}=default_{name}")
        else:
            parameters.append(name)
        body.append(f" self.{name} = {name}")
    star = ", *, " if parameters else ""
    source = f"def __init__(self{star}{', '.join(parameters)}):\n" + "\n".join(body or [" pass"])
    exec(compile(source, f"<{cls.__name__}.__init__>", "exec"), space)  # noqa: S102 - own tables
    constructor: Callable[..., None] = space["__init__"]
    return constructor
