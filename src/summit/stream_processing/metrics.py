"""`StreamMetrics`: the broker's figures under the guide's names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec


class StreamMetrics(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Rates are per second over the last ten seconds, true at any moment.

    One broker replicates nothing and elects nobody: those figures are 0 because nothing of the
    kind happens, not because they are not measured. Of a cluster only what a client can see is
    known; the rest is None: what is read from it, its requests, and unclean elections.
    """

    messages_in_per_sec: float | None = 0.0
    messages_out_per_sec: float | None = 0.0
    bytes_in_per_sec: float | None = 0.0
    bytes_out_per_sec: float | None = 0.0
    producer_request_rate: float | None = 0.0
    consumer_request_rate: float | None = 0.0
    replication_bytes_in_per_sec: float | None = 0.0
    replication_bytes_out_per_sec: float | None = 0.0
    under_replicated_partitions: int | None = 0
    offline_partitions_count: int | None = 0
    active_controller_count: int | None = 0
    leader_election_rate: float | None = 0.0
    unclean_leader_elections_per_sec: float | None = 0.0

    def to_dict(self) -> dict[str, Any]:
        """The same as plain values with camelCase keys."""
        plain: dict[str, Any] = msgspec.to_builtins(self)
        return plain


UNKNOWN_METRICS: Final = StreamMetrics(
    **dict.fromkeys(field.name for field in msgspec.structs.fields(StreamMetrics))
)


def stream_metrics(figures: Mapping[str, Any]) -> StreamMetrics:
    """The guide's figures out of those of a running broker (`Broker.metrics`)."""
    return StreamMetrics(
        messages_in_per_sec=figures["messages_in_per_s"],
        messages_out_per_sec=figures["messages_out_per_s"],
        bytes_in_per_sec=figures["bytes_in_per_s"],
        bytes_out_per_sec=figures["bytes_out_per_s"],
        producer_request_rate=figures["produce_requests_per_s"],
        consumer_request_rate=figures["fetch_requests_per_s"],
        under_replicated_partitions=figures["under_replicated_partitions"],
        active_controller_count=1,
    )
