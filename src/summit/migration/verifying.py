"""Verifying a copy: the target is read again, and its checksum must be that of what was sent."""

from __future__ import annotations

from contextlib import aclosing

from summit.base.errors import Corrupt
from summit.client import LogReader
from summit.migration.copying import BURST_RECORDS, as_read
from summit.migration.ledger import Checkpoint
from summit.migration.records import chained


async def verify(state: Checkpoint, reader: LogReader) -> int:
    """Read what was copied since the last time and compare; returns how many records that were.

    What the target has deleted meanwhile by its own retention cannot be compared any more.

    Args:
        reader: Of the target.
    Raises: Corrupt("migrate.mismatch").
    """
    if state.verified == state.count:
        return 0
    first, _ = await reader.span(state.topic, state.partition)
    if first > state.verified:
        raise Corrupt(
            "migrate.mismatch", topic=state.topic, partition=state.partition,
            reason=f"the target keeps records from offset {first} on only",
        )  # fmt: skip
    digest = bytes.fromhex(state.verified_digest)
    count = state.verified
    reading = reader.read(
        state.topic, state.partition, state.verified, state.count, burst=BURST_RECORDS
    )
    async with aclosing(reading) as bursts:
        async for records in bursts:
            for record in records:
                digest = chained(digest, as_read(record))
            count += len(records)
    if count != state.count or digest.hex() != state.digest:
        reason = f"{count} of {state.count} records" if count != state.count else "checksum"
        raise Corrupt(
            "migrate.mismatch", topic=state.topic, partition=state.partition, reason=reason
        )
    compared = count - state.verified
    state.verified, state.verified_digest = count, digest.hex()
    return compared
