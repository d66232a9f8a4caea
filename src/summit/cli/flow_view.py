"""How `summit flow describe` looks for people: from inputs at the top to outputs at the end."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import click

from summit.cli.output import counted, talk

_ROWS_MAX = 40  # of one part; JSON has all


def print_flow(flow: Mapping[str, Any]) -> None:
    """Print a description of the flow."""
    totals = flow["totals"]
    parts = {part["component"]: part["guarantee"] for part in flow["components"]}
    _head("inputs", parts["inputs"], f"lag {totals['lag']}, {totals['eventsPerSec']:g} events/s")
    behind = sorted(flow["inputs"], key=lambda row: -row["lag"])[:_ROWS_MAX]
    shown = [row for row in flow["inputs"] if row in behind]
    _table(map(_input, shown), len(flow["inputs"]))
    _head("workers", flow["guarantee"], "parse, match; a transaction each")
    _table(map(_worker, flow["workers"][:_ROWS_MAX]), len(flow["workers"]))
    groups, exchange = flow["keyGroups"], flow["exchange"]
    _head("key groups", exchange["guarantee"], f"{groups['owned']} of {groups['count']} owned")
    _table(((worker, spans) for worker, spans in groups["owners"].items()), len(groups["owners"]))
    click.echo(
        f"  exchange  lag {exchange['lag']}, {counted(exchange['events'], 'event')} sent"
        f" ({_bytes(exchange['bytes'])})"
    )
    if flow["stage"]:
        _head("stage", parts["rules"], "before the rules")
        _table(map(_stage, flow["stage"][:_ROWS_MAX]), len(flow["stage"]))
    runs, keys = counted(totals["runs"], "unfinished match"), counted(totals["keys"], "key")
    _head("rules", parts["rules"], f"{_plural(runs)} of {keys}")
    _table(map(_rule, flow["rules"][:_ROWS_MAX]), len(flow["rules"]))
    state = flow["state"]
    _head("state", state["guarantee"], f"changelog {state['bytesPerEvent']:g} bytes per event")
    disk = "-" if state["bytesOnDisk"] is None else _bytes(state["bytesOnDisk"])
    click.echo(
        f"  {state['topic']}  {counted(state['recordsWritten'], 'record')} and"
        f" {_bytes(state['bytesWritten'])} written, {disk} on disk"
    )
    outputs = flow["outputs"]
    _head("outputs", outputs["guarantee"], "elsewhere at least once, by the alert's id")
    _table(
        ((row["topic"], counted(row["offsets"], "offset"))
         for row in (outputs["alerts"], *outputs["deadLetters"])),
        1 + len(outputs["deadLetters"]),
    )  # fmt: skip
    paused = [*flow["paused"]["topics"], *(f"rule {rule}" for rule in flow["paused"]["rules"])]
    if paused:
        talk("paused: " + ", ".join(paused))
    for warning in flow["warnings"]:
        talk(f"warning: {warning}")


def _head(name: str, guarantee: str, text: str) -> None:
    click.echo(f"{name}  [{guarantee.replace('_', ' ')}]  {text}")


def _table(rows: Iterable[Iterable[str]], count: int) -> None:
    cells = [list(row) for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        click.echo("  " + "  ".join(map(str.ljust, row, widths)).rstrip())
    if not cells:
        click.echo("  none")
    elif count > len(cells):
        click.echo(f"  … {count - len(cells)} more: -o json")


def _input(row: Mapping[str, Any]) -> list[str]:
    return [
        f"{row['topic']}/{row['partition']}",
        "at " + ("-" if row["position"] is None else str(row["position"])),
        f"of {row['end']}", f"lag {row['lag']}", f"{row['eventsPerSec']:g}/s",
        f"worker {row['worker'] or '-'}", "paused" if row["paused"] else "",
    ]  # fmt: skip


def _worker(row: Mapping[str, Any]) -> list[str]:
    state = row["state"]
    if row["restoring"] is not None:
        state += f" {row['restoring']['share']:.0%}"
    return [
        row["id"], f"{row['host']}:{row['pid'] or '-'}", state,
        f"{counted(row['keyGroupCount'], 'key group')}", f"{row['eventsPerSec']:g}/s",
        ", ".join(
            [counted(row["alerts"], "alert")]
            + [f"{row[what]} {what}" for what in ("late", "rejected") if row[what]]
        ),
        _plural(f"{row['runs']} unfinished match"),
        f"{row['stateBytesPerEvent']:g} B/event", f"commit waits {row['commitWaitShare']:.0%}",
        ", ".join(counted(row[f"{what}s"], what) for what in ("commit", "abort", "restart")),
        f"{counted(row['restores'], 'restore')} in {row['restoreSeconds']:g} s",
    ]  # fmt: skip


def _stage(row: Mapping[str, Any]) -> list[str]:
    return [row["kind"], row["id"], row["state"], f"reads {', '.join(row['topics']) or '*'}"]


def _rule(row: Mapping[str, Any]) -> list[str]:
    if "steps" not in row:
        return [row["id"], row["state"], *[""] * 6]
    evicted = row["keysEvicted"] + row["runsEvicted"] + row["keysExpired"]
    state = row["state"]
    if "backfill" in row:
        state += f" {row['backfill']['share']:.0%}"
    return [
        row["id"], state, f"reads {', '.join(row['reads']) or '-'}",
        f"by {', '.join(row['groupBy']) or 'nothing'}", " → ".join(row["steps"]),
        counted(row["keys"], "key"), _plural(f"{row['runs']} unfinished match"),
        _plural(counted(row["matches"], "match"))
        + (
            f", evicted {row['keysEvicted']} keys, {row['runsEvicted']} runs"
            f", expired {row['keysExpired']} keys"
            if evicted
            else ""
        ),
    ]  # fmt: skip


def _plural(text: str) -> str:
    """`2 matchs` as `2 matches`."""
    number, _, words = text.partition(" ")
    stem = words.removesuffix("s")
    return f"{number} {stem}" if number == "1" else f"{number} {stem}es"


def _bytes(count: int) -> str:
    """A size as people read it."""
    size = float(count)
    for unit in ("B", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.4g} {unit}"
        size /= 1024
    return f"{size:.4g} GiB"
