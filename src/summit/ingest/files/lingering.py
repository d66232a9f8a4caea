"""A producer for many records a batch, made after the one that collectors share.

That one sends at once what it is given, so that a sender is answered soon. Lines come by the
thousand and nobody waits for one of them: a few milliseconds make batches ten times as large.
"""

from __future__ import annotations

from typing import Final

import msgspec

from summit.client.producer import StreamProducer
from summit.ingest.files.lane import PARCEL_BYTES
from summit.ingest.producing import Producer
from summit.ingest.topics import CONNECT_TIMEOUT_MS

LINGER_MS: Final = 5


def make_lingering(producer: Producer, client_id: str) -> StreamProducer | None:
    """A producer with the same settings that lingers, not connected; None: use the one given.

    So where it is no client of a broker, and where it makes bytes of records in its own way.
    """
    if not isinstance(producer, StreamProducer) or producer.serializes or not producer.addresses:
        return None
    given = producer.config
    if given.transactional_id is not None:
        return None
    return StreamProducer(
        msgspec.structs.replace(
            given,
            bootstrap_servers=producer.addresses,
            client_id=client_id,
            connect_timeout_ms=min(given.connect_timeout_ms, CONNECT_TIMEOUT_MS),
            linger_ms=max(given.linger_ms, min(LINGER_MS, given.delivery_timeout_ms - 1)),
            batch_size=max(given.batch_size, min(PARCEL_BYTES, given.buffer_memory)),
        )
    )
