"""What stands behind a `MessageBroker`: the broker whose records and topics it speaks of.

`MessageBroker` does everything that the Kafka protocol can do over the wire, at `address`. Only
what the wire does not tell is asked of the back end, so a back end is small: the embedded broker
(embedded.py), or an Apache Kafka cluster that is watched (cluster.py).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

from summit.base.errors import SummitError
from summit.client.security import ClientSecurity
from summit.stream_processing.metrics import StreamMetrics


class BackupMade(NamedTuple):
    """A backup that is whole and on the disk; `taken_ms` is the moment it is of."""

    directory: str
    taken_ms: int
    files: int
    size_bytes: int


class BackEnd(Protocol):
    """A broker, or several that act as one. Methods may be called from any thread."""

    @property
    def leads_all(self) -> bool:
        """Whether whoever is dialled leads every partition: it is one broker."""
        ...

    @property
    def broker_id(self) -> int | None:
        """The id of the broker, of a cluster that of its controller; None while nobody knows."""
        ...

    @property
    def address(self) -> str:
        """What clients dial: `host:port`, several with commas. Raises Closed while it is down."""
        ...

    @property
    def inner(self) -> tuple[str, ClientSecurity | None]:
        """What this process dials, and how it makes itself known (None = as elsewhere)."""
        ...

    @property
    def is_running(self) -> bool:
        """Whether it was started, and neither stopped nor failed."""
        ...

    @property
    def is_controller(self) -> bool:
        """Whether it runs and is the elected controller of its cluster."""
        ...

    def start(self, on_failed: Callable[[SummitError], None] | None = None) -> None:
        """Return when clients can connect; blocks.

        Args:
            on_failed: Called on any thread when something ends it that is not `stop`.
        Raises: Conflict("broker.running") when it runs already.
        """
        ...

    def stop(self) -> None:
        """Return when all that was taken is as durable as promised; blocks. Idempotent."""
        ...

    def metrics(self) -> StreamMetrics:
        """The figures of this moment; blocks shortly. While it is down they are 0, or None."""
        ...

    def backup(self, directory: str) -> BackupMade:
        """Copy all that the broker holds to a directory that is empty or absent; blocks.

        Raises: Invalid("backup.of_a_cluster"); Conflict("backup.refused" |
            "backup.target_in_use"); Unavailable("disk.full"); Closed("broker.not_running").
        """
        ...
