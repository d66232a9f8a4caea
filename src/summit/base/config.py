"""One base for every configuration class, and the places settings come from.

A configuration class is a frozen struct whose fields are snake_case in Python and camelCase on
the wire. Nothing is stored and ignored: unknown keys, wrong types and values that a class refuses
in `check` raise at construction.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType, UnionType
from typing import Any, NamedTuple, Self, TypeVar, Union, get_args, get_origin

import msgspec

from summit.base.errors import Invalid

C = TypeVar("C", bound="Config")


class Config(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=False):
    """Base of configuration classes.

    Example:
        >>> class Window(Config, frozen=True, kw_only=True):
        ...     size_ms: int = 1000
        >>> Window.from_dict({"sizeMs": 5}).to_dict()
        {'sizeMs': 5}
    """

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Make one from a mapping with camelCase or snake_case keys.

        Raises: Invalid("config.unknown_key") naming the nearest key; Invalid("config.invalid").
        """
        try:
            return msgspec.convert(_on_the_wire(cls, values), cls, strict=False)
        except msgspec.ValidationError as error:
            raise _invalid(cls, error) from error

    def to_dict(self) -> dict[str, Any]:
        """The same as plain values with camelCase keys."""
        plain: dict[str, Any] = msgspec.to_builtins(self, enc_hook=_as_is)
        return plain

    def replace(self, **changes: Any) -> Self:
        """A copy with some fields changed."""
        return msgspec.structs.replace(self, **changes)

    def check(self) -> None:
        """Refuse values that types alone cannot; raise Invalid. For subclasses."""

    def __post_init__(self) -> None:
        for field in msgspec.structs.fields(self):
            value = getattr(self, field.name)
            if isinstance(value, Config) or callable(value):
                continue
            try:
                msgspec.convert(value, field.type, from_attributes=True)
            except msgspec.ValidationError as error:
                raise _invalid(type(self), error, field.encode_name) from error
        self.check()


def _on_the_wire(cls: type[Config], values: Mapping[str, Any]) -> dict[str, Any]:
    """The values under their camelCase keys, also within. Raises Invalid for an unknown key."""
    names = key_names(cls)
    wire: dict[str, Any] = {}
    for key, value in values.items():
        if key not in names:
            raise Invalid(
                "config.unknown_key", key=key, where=cls.__name__,
                hint=suggestion(key, names), pointer=f"/{key}",
            )  # fmt: skip
        wire[names[key]] = value
    for field in msgspec.structs.fields(cls):
        inner, given = _inner(field.type), wire.get(field.encode_name)
        if inner is not None and isinstance(given, Mapping):
            try:
                wire[field.encode_name] = inner.from_dict(given)
            except Invalid as error:
                place = error.details.get("pointer", "")
                error.details["pointer"] = f"/{field.encode_name}{place}"
                raise
    return wire


def _inner(kind: Any) -> type[Config] | None:
    """The configuration class that stands in a field, if one does."""
    is_union = get_origin(kind) in (Union, UnionType)
    for each in get_args(kind) if is_union else (kind,):
        if isinstance(each, type) and issubclass(each, Config):
            return each
    return None


def _as_is(value: Any) -> Any:
    return str(value)


def _invalid(cls: type, error: msgspec.ValidationError, field: str = "") -> Invalid:
    text = str(error)
    message, _, place = text.partition(" - at `$")
    pointer = "/" + field if field else ""
    pointer += place.rstrip("`").replace(".", "/").replace("[", "/").replace("]", "")
    return Invalid(
        "config.invalid",
        reason=f"{cls.__name__}{pointer.replace('/', '.')}: {message}",
        pointer=pointer,
    )


@cache  # msgspec works the types out anew each time: as long as a hundred records take
def key_names(cls: type[msgspec.Struct]) -> Mapping[str, str]:
    """Every accepted key of a struct class (snake_case and wire), with its wire name."""
    names: dict[str, str] = {}
    for field in msgspec.structs.fields(cls):
        names[field.name] = field.encode_name
        names[field.encode_name] = field.encode_name
    return MappingProxyType(names)


@cache
def field_names(cls: type[msgspec.Struct]) -> Mapping[str, str]:
    """The same keys, each with its name in Python."""
    fields = {field.encode_name: field.name for field in msgspec.structs.fields(cls)}
    return MappingProxyType({key: fields[wire] for key, wire in key_names(cls).items()})


def camel_name(name: str) -> str:
    """The name of the wire for a name in Python; one of the wire stays.

    >>> camel_name("mask_char"), camel_name("maskChar")
    ('maskChar', 'maskChar')
    """
    first, *rest = name.split("_")
    return first + "".join(part.title() for part in rest)


def nearest(name: str, names: Iterable[str]) -> str | None:
    """The most similar of `names`, or None when none is similar."""
    found = difflib.get_close_matches(name, list(names), n=1, cutoff=0.6)
    return found[0] if found else None


def suggestion(name: str, names: Iterable[str]) -> str:
    """A hint for an unknown name: ` (did you mean 'x'?)`, or nothing."""
    near = nearest(name, names)
    return f" (did you mean '{near}'?)" if near else ""


def environment() -> dict[str, str]:
    """A copy of the process environment; the only place that reads it."""
    return dict(os.environ)


def extend_environment(values: Mapping[str, str]) -> None:
    """Add to the environment of this process, and so to that of its children from now on."""
    os.environ.update(values)


def load_toml(path: str) -> dict[str, Any]:
    """The tables of a TOML file; nothing where there is no file. Raises Invalid."""
    file = Path(path)
    if not file.exists():
        return {}
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Invalid("config.invalid", reason=f"{path}: {error}", pointer="") from error


class Origin(NamedTuple):
    """A setting's value, and where it came from."""

    value: Any
    origin: str


def resolve(
    cls: type[C],
    section: str,
    *,
    flags: Mapping[str, Any],
    env: Mapping[str, str],
    file: Mapping[str, Any],
    aliases: Mapping[str, str] | None = None,
) -> C:
    """Settings of one section: flag > `SUMMIT_SECTION__KEY` > guide's name > file > default.

    Args:
        flags: Values given on the command line; None means not given.
        env: The environment.
        file: What files say, by section; the table `section` is used.
        aliases: Environment names of the guide (`PORT`) and the field they set.
    Raises: Invalid for unknown keys and wrong values, naming where they came from.
    """
    given = origins(cls, section, flags=flags, env=env, files={"the file": file}, aliases=aliases)
    return cls.from_dict({name: each.value for name, each in given.items()})


def origins(
    cls: type[C],
    section: str,
    *,
    flags: Mapping[str, Any],
    env: Mapping[str, str],
    files: Mapping[str, Mapping[str, Any]],
    aliases: Mapping[str, str] | None = None,
) -> dict[str, Origin]:
    """What is set in one section and where, by field; what is not set has its default.

    Args:
        files: By name what each file says, the weakest first; for the rest see `resolve`.
    """
    found: dict[str, Origin] = {}
    for place, tables in files.items():
        table = tables.get(section, {})
        if not isinstance(table, Mapping):
            raise Invalid(
                "config.invalid", reason=f"[{section}] of {place} is not a table", pointer=""
            )
        for key, value in table.items():
            found[_field_name(cls, key, f"[{section}] of {place}")] = Origin(value, place)
    for name, field in (aliases or {}).items():
        if env.get(name):
            found[field] = Origin(env[name], name)
    prefix = f"SUMMIT_{section.upper()}__"
    for name, text in env.items():
        if name.startswith(prefix):
            key = name.removeprefix(prefix).lower()
            found[_field_name(cls, key, name)] = Origin(text, name)
    for key, value in flags.items():
        if value is not None:
            found[key] = Origin(value, "the command line")
    return found


def _field_name(cls: type[msgspec.Struct], key: str, where: str) -> str:
    by_wire = {field.encode_name: field.name for field in msgspec.structs.fields(cls)}
    fields = set(by_wire.values())
    name = by_wire.get(key, key)
    if name not in fields:
        raise Invalid(
            "config.unknown_key", key=key, where=where, hint=suggestion(key, fields), pointer=""
        )
    return name
