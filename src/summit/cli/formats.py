"""`--key-format`, `--value-format` and `--schema-registry`: records that are more than text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, Literal, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])

READABLE: Final = ("string", "json", "msgpack", "avro", "protobuf", "json-schema")
WRITABLE: Final = ("string", "json", "msgpack", "avro", "json-schema")


def format_options(formats: Sequence[str]) -> Callable[[F], F]:
    """Add the options."""

    def add(function: F) -> F:
        for part in ("value", "key"):
            function = click.option(
                f"--{part}-format", default=None, type=click.Choice(formats),
                help=f"What the {part}s are in. Default: bytes, shown as text where they are.",
            )(function)  # fmt: skip
        return click.option(
            "--schema-registry", default=None, metavar="URL",
            help="Where the schemas of avro, protobuf and json-schema are.",
        )(function)  # fmt: skip

    return add


def format_config(
    side: Literal["Serializer", "Deserializer"],
    key_format: str | None,
    value_format: str | None,
    schema_registry: str | None,
) -> dict[str, str]:
    """The options as a client's configuration."""
    given = {
        f"key{side}": key_format, f"value{side}": value_format, "schemaRegistry": schema_registry,
    }  # fmt: skip
    return {name: value for name, value in given.items() if value is not None}


def value_of_line(line: bytes, form: str | None) -> Any:
    """What a line of input stands for: text as it is for no format and `string`, else JSON."""
    if form is None:
        return line
    if form == "string":
        return line.decode("utf-8", "replace")
    import msgspec

    try:
        return msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise click.ClickException(f"the format {form} needs JSON lines: {error}") from error
