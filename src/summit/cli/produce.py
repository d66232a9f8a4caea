"""`summit produce`: records out of the lines of standard input."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

import click

from summit.cli.completion import topics
from summit.cli.formats import WRITABLE, format_config, format_options, value_of_line
from summit.cli.output import bootstrap_option, counted, output_option, print_item, talk

_BATCH = 500


@click.command()
@click.argument("topic", shell_complete=topics)
@bootstrap_option
@click.option("-k", "--key", default=None, help="Key of every record.")
@click.option(
    "--key-field",
    default=None,
    metavar="PATH",
    help="Take the key from this field of each JSON line, such as user.id.",
)
@click.option("-H", "--header", "headers", multiple=True, metavar="NAME=VALUE")
@click.option(
    "-p",
    "--partition",
    type=click.IntRange(0),
    default=None,
    help="Of every record; else by key, or spread.",
)
@click.option("--acks", type=click.Choice(["all", "1", "0"]), default="all", show_default=True)
@click.option(
    "-z",
    "--compression",
    default="none",
    show_default=True,
    type=click.Choice(["none", "gzip", "snappy", "lz4", "zstd"]),
)
@click.option("-q", "--quiet", is_flag=True, help="Do not print where each record went.")
@format_options(WRITABLE)
@output_option
def produce(
    topic: str,
    bootstrap_servers: str,
    key: str | None,
    key_field: str | None,
    headers: Sequence[str],
    partition: int | None,
    acks: str,
    compression: str,
    quiet: bool,
    key_format: str | None,
    value_format: str | None,
    schema_registry: str | None,
    output: str | None,
) -> None:
    """Send each line of standard input as one record to TOPIC.

    With a format other than string a line is JSON; avro and json-schema are written by the newest
    schema of the topic in the registry.

    Prints partition and offset of each record after the broker has acknowledged it.
    """
    record = {
        "topic": topic, "key": key, "partition": partition, "headers": _headers(headers),
    }  # fmt: skip
    config = {
        "clientId": "summit-produce", "bootstrapServers": bootstrap_servers.split(","),
        "acks": acks if acks == "all" else int(acks), "compressionType": compression,
        **format_config("Serializer", key_format, value_format, schema_registry),
    }  # fmt: skip
    count = asyncio.run(_run(config, record, key_field, None if quiet else output or "table"))
    talk(f"{counted(count, 'record')} to {topic}")


async def _run(
    config: dict[str, Any], record: dict[str, Any], key_field: str | None, show: str | None
) -> int:
    from summit.client.producer import StreamProducer

    key_of = _key_reader(key_field)
    form = config.get("valueSerializer")
    count = 0
    async with StreamProducer(config) as producer:
        lines = _lines()
        while batch := await asyncio.to_thread(lambda: list(islice(lines, _BATCH))):
            records = [
                {
                    **record,
                    "value": value_of_line(line, form),
                    **({"key": key_of(line)} if key_of else {}),
                }
                for line in batch
            ]
            for result in await producer.send_batch(records):
                count += 1
                if show is None or print_item(result.to_dict(), show):
                    continue
                if show:
                    click.echo(f"{result.topic} {result.partition} {result.offset}")
    return count


def _lines() -> Iterator[bytes]:
    for line in sys.stdin.buffer:
        text = line.rstrip(b"\r\n")
        if text:
            yield text


def _headers(texts: Sequence[str]) -> list[tuple[str, bytes]]:
    pairs = []
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise click.BadParameter(f"'{text}' is not NAME=VALUE", param_hint="--header")
        pairs.append((name, value.encode()))
    return pairs


def _key_reader(path: str | None) -> Any:
    if path is None:
        return None
    import msgspec

    names = path.split(".")

    def key_of(line: bytes) -> str | None:
        try:
            value = msgspec.json.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise click.ClickException(f"--key-field needs JSON lines: {error}") from error
        for name in names:
            value = value.get(name) if isinstance(value, dict) else None
        return None if value is None else str(value)

    return key_of
