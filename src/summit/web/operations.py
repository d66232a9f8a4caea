"""Operations: what a route says of itself, from which requests are read and OpenAPI is written.

    routes.get("/api/topics", listed, Operation("List topics", "topics", query=TopicFilter))

The reply's type is the one that the handler is annotated with.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from types import NoneType, UnionType
from typing import Any, Final, NamedTuple, Union, get_args, get_origin, get_type_hints

import msgspec

from summit.base.config import suggestion
from summit.base.errors import Invalid
from summit.web.responses import JSON


class NoQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Query parameters of an operation that takes none."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path.

    Args:
        summary: A few words, in the imperative.
        tag: The group that it stands in.
        description: More, where the summary leaves a question open.
        query: Struct of its query parameters; others are refused with 400. A list takes a
            parameter that is given several times, or its values with commas.
        body: Type of its JSON body; None for none.
        body_schema: JSON Schema of the body, where no type tells it.
        body_optional: Whether it may be left out.
        body_media: The media types that it is taken as.
        reply: Type of its reply; None = as its handler is annotated.
        media: The media types of its reply.
        status: The status of its reply.
        statuses: Further statuses of replies that are no problems, and what they mean.
        problems: Statuses of problems, besides those that follow from the above.
        headers: Request headers that it heeds, and what they mean.
        path: JSON Schemas of path parameters that are no texts.
    """

    summary: str
    tag: str = ""
    description: str = ""
    query: type[msgspec.Struct] = NoQuery
    body: Any = None
    body_schema: Mapping[str, Any] | None = None
    body_optional: bool = False
    body_media: tuple[str, ...] = (JSON,)
    reply: Any = None
    media: tuple[str, ...] = (JSON,)
    status: int = 200
    statuses: Mapping[int, str] = field(default_factory=dict)
    problems: tuple[int, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    path: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def has_body(self) -> bool:
        """Whether it takes a body."""
        return self.body is not None or self.body_schema is not None


_NO_QUERY: Final = NoQuery()


def reply_type(operation: Operation, handler: Callable[..., Any]) -> Any:
    """The type of an operation's reply; Any where neither it nor its handler names one."""
    if operation.reply is not None:
        return operation.reply
    return get_type_hints(handler).get("return", Any)


def read_query(type_: type[msgspec.Struct], given: list[tuple[str, str]]) -> msgspec.Struct:
    """Query parameters as a struct of this type.

    Args:
        given: Names and values in the order of the request.
    Raises: Invalid("web.parameter_unknown"), ("web.parameter").
    """
    if not given and type_ is NoQuery:
        return _NO_QUERY
    fields = _fields(type_)
    values: dict[str, Any] = {}
    for name, text in given:
        known = fields.get(name)
        if known is None:
            raise Invalid(
                "web.parameter_unknown", name=name, pointer=name,
                hint=suggestion(name, list(fields)), known=", ".join(fields) or "none",
            )  # fmt: skip
        if known.several:
            parts = [part for part in text.split(",") if part]
            values.setdefault(name, []).extend(_read(name, parts, known.type))
        elif name in values:
            raise _refused(name, text, "one value, not several")
        else:
            values[name] = _read(name, text, known.type)
    try:
        return msgspec.convert(values, type_)
    except msgspec.ValidationError as error:
        message, _, place = str(error).partition(" - at `$.")
        name = place.rstrip("`").partition("[")[0]
        if not name:  # a parameter is missing: its name stands in the message
            name = message.partition("`")[2].partition("`")[0]
            raise _refused(name, "", "given") from error
        text = str(values.get(name, ""))
        raise _refused(name, text, message[:1].lower() + message[1:]) from error


def _read(name: str, text: str | list[str], type_: Any) -> Any:
    try:
        return msgspec.convert(text, type_, strict=False)
    except msgspec.ValidationError as error:
        shown = text if isinstance(text, str) else ",".join(text)
        raise _refused(name, shown, _expected(str(error), type_)) from error


def _expected(message: str, type_: Any) -> str:
    schema = msgspec.json.schema(type_)
    options = [option for option in schema.get("anyOf", [schema]) if option.get("type") != "null"]
    option = options[0] if options else {}
    if "enum" in option:
        return f"one of {', '.join(map(str, option['enum']))}"
    if option.get("type") == "integer":
        least, most = option.get("minimum"), option.get("maximum")
        if most is not None:
            return f"a whole number from {least if least is not None else 0} to {most}"
        return "a whole number" + ("" if least is None else f" of at least {least}")
    if option.get("type") == "boolean":
        return "true or false"
    return message[:1].lower() + message[1:]


class _Field(NamedTuple):
    type: Any
    several: bool


@cache
def _fields(type_: type[msgspec.Struct]) -> dict[str, _Field]:
    found = {}
    for each in msgspec.structs.fields(type_):
        present = _present(each.type)
        is_list = msgspec.json.schema(present).get("type") == "array"
        found[each.encode_name] = _Field(present, is_list)
    return found


def _present(type_: Any) -> Any:
    """The type of a parameter that is there: the text `null` is a text like others."""
    if get_origin(type_) not in (Union, UnionType):
        return type_
    return Union[tuple(each for each in get_args(type_) if each is not NoneType)]  # noqa: UP007


def _refused(name: str, text: str, expected: str) -> Invalid:
    return Invalid("web.parameter", name=name, text=text, expected=expected, pointer=name)
