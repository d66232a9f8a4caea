"""`summit consume`: the records of topics, as JSON, as values, or in a form of one's own."""

from __future__ import annotations

import asyncio
import base64
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import click

from summit.base.errors import Unavailable
from summit.base.limits import LOG_READER_STALL_MS
from summit.cli.completion import groups as complete_groups
from summit.cli.completion import topics as complete_topics
from summit.cli.formats import READABLE, format_config, format_options
from summit.cli.output import bootstrap_option, counted, end_without_reader, print_json, talk

_SILENCE_S = 10.0
_STALL_S = LOG_READER_STALL_MS / 1_000  # with --exit, where there is more to be read


@click.command()
@click.argument("topics", nargs=-1, required=True, shell_complete=complete_topics)
@bootstrap_option
@click.option(
    "-g",
    "--group",
    default=None,
    shell_complete=complete_groups,
    help="Join this consumer group; offsets are committed after printing.",
)
@click.option("--from-beginning", is_flag=True, help="Start at the first record, not at the end.")
@click.option("-n", "--count", type=click.IntRange(1), default=None, help="End after so many.")
@click.option(
    "-e", "--exit", "exit_at_end", is_flag=True, help="End at the end that the topics have now."
)
@click.option(
    "-f",
    "--format",
    "form",
    default=None,
    metavar="TEXT",
    help=r"%t topic, %p partition, %o offset, %T timestamp, %k key, %v value, \n, \t.",
)
@click.option(
    "-o",
    "--output",
    type=click.Choice(["json", "value"]),
    default="json",
    show_default=True,
    help="One JSON object a line, or the values alone.",
)
@format_options(READABLE)
def consume(
    topics: Sequence[str],
    bootstrap_servers: str,
    group: str | None,
    from_beginning: bool,
    count: int | None,
    exit_at_end: bool,
    form: str | None,
    output: str,
    key_format: str | None,
    value_format: str | None,
    schema_registry: str | None,
) -> None:
    """Print the records of TOPICS.

    A record that is not in its format is passed over, logged and counted.
    """
    if group is not None and exit_at_end:
        raise click.UsageError("--exit goes without --group: a group has no end of its own")
    printer = _Printer(form, output)
    formats = format_config("Deserializer", key_format, value_format, schema_registry)
    reader = _Reader(bootstrap_servers.split(","), list(topics), count, printer, formats)
    if group is None:
        asyncio.run(reader.read(from_beginning=from_beginning, exit_at_end=exit_at_end))
    else:
        asyncio.run(reader.read_as(group, from_beginning=from_beginning))
    passed_over = f", {reader.passed_over} passed over" if reader.passed_over else ""
    talk(counted(printer.count, "record") + passed_over)


class _Printer:
    """Prints records in the form that was asked for."""

    def __init__(self, form: str | None, output: str) -> None:
        from summit.services.record_json import record_dict

        self._form = form.replace("\\n", "\n").replace("\\t", "\t") if form else None
        self._output = output
        self._record_dict = record_dict
        self.count = 0

    def print(self, record: Any) -> None:
        self.count += 1
        quoted = self._form is None and self._output == "json"
        record = _in_bytes(record, quoted=quoted)
        if self._form is not None:
            sys.stdout.write(self._formatted(record))
        elif self._output == "value":
            sys.stdout.buffer.write((record.value or b"") + b"\n")
        else:
            print_json(_plain(record, self._record_dict))

    def flush(self) -> None:
        sys.stdout.flush()

    def _formatted(self, record: Any) -> str:
        assert self._form is not None
        values = {
            "t": record.topic, "p": str(record.partition), "o": str(record.offset),
            "T": str(record.timestamp),
            "k": _text(record.key) or "",
            "v": _text(record.value) or "",
            "%": "%",
        }  # fmt: skip
        parts = self._form.split("%")
        out = [parts[0]]
        skip = False
        for part in parts[1:]:
            if skip:
                skip = False
                out.append(part)
            elif part == "":
                out.append("%")
                skip = True
            else:
                out.append(values.get(part[0], "%" + part[0]) + part[1:])
        return "".join(out)


class _Reader:
    """Reads until the count, the end or a signal."""

    def __init__(
        self,
        servers: list[str],
        topics: list[str],
        count: int | None,
        printer: _Printer,
        formats: dict[str, str],
    ) -> None:
        self._formats = formats
        self.passed_over = 0
        self._servers = servers
        self._topics = topics
        self._count = count
        self._left: Callable[[], int] | None = None
        self._printer = printer
        self._stopping = asyncio.Event()

    async def read(self, *, from_beginning: bool, exit_at_end: bool) -> None:
        """Read every partition without a group."""
        from summit.client.admin import Admin
        from summit.client.consumer import StreamConsumer

        self._catch_signals()
        config = {"clientId": "summit-consume", "bootstrapServers": self._servers}
        partitions: dict[tuple[str, int], tuple[int, int]] = {}
        async with Admin(config) as admin:
            for topic in self._topics:
                for number, span in (await admin.offsets(topic)).items():
                    partitions[topic, number] = span
        starts = {place: span[0] for place, span in partitions.items()}
        ends = {place: span[1] for place, span in partitions.items()}
        begin = starts if from_beginning or exit_at_end else ends
        left = {place for place in partitions if begin[place] < ends[place]}
        if exit_at_end and not left:
            return
        config = self._config(None, from_beginning=from_beginning)
        async with StreamConsumer(config, tell_ends=exit_at_end) as consumer:

            def passed(record: Any) -> bool:
                """Whether that was the last one to be read."""
                place = (record.topic, record.partition)
                if record.offset >= ends[place] - 1:
                    left.discard(place)
                return exit_at_end and not left

            def refused(payload: Any) -> None:
                if self._passed_over(payload) and passed(payload.record):
                    self._stopping.set()

            def still_left() -> int:
                """Partitions before their end, the last offsets of which may hold no record."""
                for place, end in consumer.read_to().items():
                    if end >= ends[place]:
                        left.discard(tuple(place))
                return len(left)

            self._left = still_left if exit_at_end else None
            consumer.on("error", refused)
            await consumer.assign({place: begin[place] for place in partitions})
            async for record in self._records(consumer):
                if not exit_at_end or record.offset < ends[record.topic, record.partition]:
                    self._printer.print(record)
                if passed(record) or self._enough():
                    break
        self._printer.flush()

    async def read_as(self, group: str, *, from_beginning: bool) -> None:
        """Read as a member of a group."""
        from summit.client.consumer import StreamConsumer

        self._catch_signals()
        config = self._config(group, from_beginning=from_beginning)
        async with StreamConsumer(config) as consumer:
            consumer.on("error", self._passed_over)
            await consumer.subscribe(self._topics)
            async for record in self._records(consumer):
                self._printer.print(record)
                if self._enough():
                    break
            self._printer.flush()
            await consumer.commit_offsets()

    async def _records(self, consumer: Any) -> Any:
        silent_s = 0.0
        while not self._stopping.is_set():
            most = 500 if self._count is None else min(500, self._count - self._printer.count)
            batch = await consumer.poll_batch(most, 200)
            for record in batch:
                yield record
            self._printer.flush()
            end_without_reader()
            silent_s = 0.0 if batch else silent_s + 0.2
            if self._left is not None and not batch:
                if not (left := self._left()):
                    return
                if silent_s >= _STALL_S:
                    ends = counted(left, "partition")
                    reason = f"nothing came for {silent_s:.0f} s, {ends} not read to the end"
                    raise Unavailable("client.timeout", reason=reason)
            if _SILENCE_S <= silent_s < _SILENCE_S + 0.2 and not self._printer.count:
                talk(
                    f"waiting on {', '.join(self._topics)}: no record in {_SILENCE_S:.0f} s; "
                    "reading starts at the end, use --from-beginning for what is there"
                )

    def _passed_over(self, payload: Any) -> bool:
        """Count a record that is passed over (the log tells it); whether it is about one."""
        if payload.error.code != "record.undeserializable":
            return False
        self.passed_over += 1
        return True

    def _enough(self) -> bool:
        return self._count is not None and self._printer.count >= self._count

    def _config(self, group: str | None, *, from_beginning: bool) -> dict[str, Any]:
        return {
            "clientId": "summit-consume", "bootstrapServers": self._servers,
            "groupId": group or "summit-consume", "enableAutoCommit": False,
            "autoOffsetReset": "earliest" if from_beginning else "latest",
            "onHandlerFailure": "skip", **self._formats,
        }  # fmt: skip

    def _catch_signals(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            with suppress(NotImplementedError):
                asyncio.get_running_loop().add_signal_handler(number, self._stopping.set)


def _plain(record: Any, record_dict: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
    """As `GET /api/consume` shows it, but for values that are JSON: those are unfolded."""
    plain = record_dict(record)
    if "valueEncoding" not in plain:
        plain["value"] = _value(record.value)
    if not record.headers:
        del plain["headers"]
    return plain


def _in_bytes(record: Any, *, quoted: bool) -> Any:
    """The record with what its deserializers made as text again: as JSON.

    Args:
        quoted: Values that are text are JSON too, in quotes.
    """
    import msgspec

    from summit.serde import to_json

    key, value = record.key, record.value
    if not (key is None or isinstance(key, bytes)):
        key = key.encode() if isinstance(key, str) else to_json(key)
    if not (value is None or isinstance(value, bytes)):
        value = value.encode() if isinstance(value, str) and not quoted else to_json(value)
    return msgspec.structs.replace(record, key=key, value=value)


def _value(value: bytes | None) -> Any:
    import msgspec

    if value is None:
        return None
    try:
        return msgspec.json.decode(value)
    except msgspec.DecodeError:
        return value.decode()


def _text(value: bytes | None) -> str | None:
    if value is None:
        return None
    try:
        return value.decode()
    except UnicodeDecodeError:
        return "base64:" + base64.b64encode(value).decode()
