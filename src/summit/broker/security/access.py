"""What one client may do, and how one is told what it may not."""

from __future__ import annotations

from typing import Any, Final

from summit.broker.security.acls import Acls
from summit.protocol import acls, codes
from summit.protocol.message import Message

DENIED: Final = {
    acls.TOPIC: codes.TOPIC_AUTHORIZATION_FAILED,
    acls.GROUP: codes.GROUP_AUTHORIZATION_FAILED,
    acls.CLUSTER: codes.CLUSTER_AUTHORIZATION_FAILED,
    acls.TRANSACTIONAL_ID: codes.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
}

# Where the parts of an answer come from, when they have other names than in the request.
_SOURCES: Final = {
    "results_by_topic_v3_and_below": ("v3_and_below_topics",),
    "results_by_transaction": ("transactions",),
    "topic_results": ("topics",),
    "results_by_partition": ("partitions",),
    "partitions": ("partitions", "partition_indexes"),
    "results": ("creations", "topics", "resources"),
    "filter_results": ("filters",),
    "replica_election_results": ("topic_partitions",),
    "partition_result": ("partitions",),
    "responses": ("topics", "resources"),
}


class Access:
    """The rights of one principal from one host."""

    __slots__ = ("_acls", "host", "principal")

    def __init__(self, entries: Acls, principal: str, host: str) -> None:
        self._acls = entries
        self.principal = principal
        self.host = host

    def may(self, operation: int, resource: int, name: str) -> bool:
        """Whether it may do this."""
        return self._acls.allows(self.principal, self.host, operation, resource, name)

    def topic(self, operation: int, name: str) -> bool:
        """Whether it may do this with a topic."""
        return self.may(operation, acls.TOPIC, name)

    def cluster(self, operation: int) -> bool:
        """Whether it may do this with the cluster."""
        return self.may(operation, acls.CLUSTER, acls.CLUSTER_NAME)

    def anywhere(self, operation: int, resource: int) -> bool:
        """Whether it may do this with any resource of a kind."""
        return self._acls.allows_somewhere(self.principal, self.host, operation, resource)

    def operations(self, resource: int, name: str) -> int:
        """All that it may do, as Describe answers say it: bit n is the operation n."""
        return sum(
            1 << operation
            for operation in acls.OF_RESOURCE[resource]
            if self.may(operation, resource, name)
        )


def refusal(table: type[Message], asked: Any, code: int, version: int) -> Message:
    """The answer to a request, or a part of one, that says everywhere that it is denied."""
    values: dict[str, Any] = {}
    for row in table.FIELDS:
        if row.name.endswith("error_code"):
            values[row.name] = code
            continue
        if row.type.kind == "array":
            values[row.name] = _refusals(row, asked, code, version)
        elif hasattr(asked, row.name) and row.name != "throttle_time_ms":
            values[row.name] = getattr(asked, row.name)
        else:
            values[row.name] = row.zero
        if values[row.name] is None and version not in row.nullable:
            values[row.name] = row.type.zero
    return table(**values)


def _refusals(row: Any, asked: Any, code: int, version: int) -> list[Any]:
    inner = row.type.item.message
    if inner is None:
        return []
    for name in _SOURCES.get(row.name, (row.name,)):
        parts = getattr(asked, name, None)
        if parts is not None:
            return [refusal_of(inner, part, code, version) for part in parts]
    return []


def refusal_of(table: type[Message], part: Any, code: int, version: int) -> Message:
    """The same for a part that may be a plain number or name."""
    if isinstance(part, Message):
        return refusal(table, part, code, version)
    made = refusal(table, None, code, version)
    first = next(
        row.name for row in table.FIELDS
        if row.type.kind == ("string" if isinstance(part, str) else "fixed")
        and not row.name.endswith(("error_code", "error_message"))
    )  # fmt: skip
    setattr(made, first, part)
    return made
