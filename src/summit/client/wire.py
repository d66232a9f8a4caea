"""`Wire`: a broker asked in the protocol's own messages, for what librdkafka has no call for.

One connection per broker, one request at a time on it, versions agreed with each broker. Nothing
here is fast or clever: it asks a few questions a second about a cluster's state.
"""

from __future__ import annotations

import asyncio
import struct
import time
from collections.abc import Sequence
from typing import Any, Final, TypeVar

from summit.base.errors import Closed, Conflict, Invalid, SummitError, Unavailable
from summit.client.addresses import format_address
from summit.client.security import ClientSecurity, log_in
from summit.protocol import codes, frames
from summit.protocol.api import Api
from summit.protocol.api_versions import API_VERSIONS, ApiVersionsRequest
from summit.protocol.find_coordinator import FIND_COORDINATOR, FindCoordinatorRequest
from summit.protocol.message import VERSION_MAX, Message
from summit.protocol.metadata import METADATA, MetadataRequest, MetadataResponse

Q = TypeVar("Q", bound=Message)
R = TypeVar("R", bound=Message)

GROUP: Final = 0  # kinds of coordinators
TRANSACTION: Final = 1

_LENGTH: Final = struct.Struct(">i")
RETRIABLE: Final = frozenset(
    (
        codes.LEADER_NOT_AVAILABLE, codes.NOT_LEADER_OR_FOLLOWER, codes.REQUEST_TIMED_OUT,
        codes.COORDINATOR_LOAD_IN_PROGRESS, codes.COORDINATOR_NOT_AVAILABLE,
        codes.NOT_COORDINATOR, codes.NOT_CONTROLLER,
        codes.PREFERRED_LEADER_NOT_AVAILABLE, codes.ELIGIBLE_LEADERS_NOT_AVAILABLE,
    )
)  # fmt: skip


class Wire:
    """Questions to the brokers of one cluster; belongs to one loop.

    Args:
        addresses: Where to begin, each `host:port`; the brokers name one another.
        timeout_ms: How long one question may take, connecting included.
    """

    def __init__(
        self,
        addresses: Sequence[str],
        client_id: str,
        timeout_ms: int,
        security: ClientSecurity | None = None,
    ) -> None:
        self._security = security or ClientSecurity()
        self._addresses = list(addresses)
        self._client_id = client_id
        self._timeout_s = timeout_ms / 1000
        self._links: dict[str, _Link] = {}
        self._places: dict[int, str] = {}
        self._last = ""  # who answered last; asked first
        self._closed = False

    async def ask(
        self, api: Api[Q, R], request: Q, *, node: int | None = None, newest: int = VERSION_MAX
    ) -> R:
        """The answer of one broker; of any that answers when `node` is None.

        Args:
            newest: The last version that may be used; later ones may want other fields.
        Raises: Unavailable("client.no_brokers" | "client.timeout");
            Invalid("client.unsupported") when that broker does not serve it.
        """
        if self._closed:
            raise Closed("client.closed", what="admin")
        if node is not None:
            return await self._ask_at(await self._place(node), api, request, newest)
        failure: Unavailable | None = None
        for place in self._candidates():
            try:
                answer = await self._ask_at(place, api, request, newest)
            except Unavailable as error:
                failure = error
                continue
            self._last = place
            return answer
        assert failure is not None
        raise failure

    async def metadata(self, topics: list[Any] | None = None) -> MetadataResponse:
        """Brokers and topics (all without `topics`) as one broker knows them; makes none."""
        request = MetadataRequest(topics=topics, allow_auto_topic_creation=False)
        answer = await self.ask(METADATA, request)
        self._places = {
            broker.node_id: format_address(broker.host, broker.port) for broker in answer.brokers
        }
        return answer

    async def coordinator(self, kind: int, key: str) -> int:
        """The id of the broker that keeps a group or a transactional id. Raises Unavailable."""
        request = FindCoordinatorRequest(key=key, key_type=kind, coordinator_keys=[key])
        async with asyncio.timeout(self._timeout_s):
            while True:
                answer = await self.ask(FIND_COORDINATOR, request)
                found = answer.coordinators[0] if answer.coordinators else answer
                if found.error_code == codes.NONE:
                    self._places[found.node_id] = format_address(found.host, found.port)
                    return found.node_id
                if found.error_code not in RETRIABLE:
                    raise fault(found.error_code)
                await asyncio.sleep(0.1)  # its topic is being made, or its leader is moving

    async def close(self) -> None:
        """End all connections."""
        self._closed = True
        links, self._links = self._links, {}
        for link in links.values():
            link.drop()

    def _candidates(self) -> list[str]:
        known = [self._last, *self._places.values(), *self._addresses]
        return list(dict.fromkeys(place for place in known if place))

    async def _place(self, node: int) -> str:
        if node not in self._places:
            await self.metadata([])
        if node not in self._places:
            reason = f"broker {node} is not among those that live"
            raise Unavailable("client.no_brokers", brokers=f"broker {node}", reason=reason)
        return self._places[node]

    async def _ask_at(self, place: str, api: Api[Q, R], request: Q, newest: int) -> R:
        link = self._links.setdefault(place, _Link(place, self._client_id, self._security))
        async with link.turn:
            try:
                async with asyncio.timeout(self._timeout_s):
                    return await link.ask(api, request, newest)
            except TimeoutError as error:
                link.drop()
                raise Unavailable("client.timeout", reason=f"{place} does not answer") from error
            except (OSError, EOFError) as error:
                link.drop()
                raise Unavailable(
                    "client.no_brokers", brokers=place, reason=str(error) or repr(error)
                ) from error
            except BaseException:
                link.drop()  # an answer may still be on its way
                raise


class _Link:
    """A connection to one broker, made when it is needed."""

    def __init__(self, place: str, client_id: str, security: ClientSecurity) -> None:
        self.turn = asyncio.Lock()
        self._place = place
        self._security = security
        self._ends_s = float("inf")
        self._client_id = client_id
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._versions: dict[int, tuple[int, int]] = {}
        self._correlation_id = 0

    async def ask(self, api: Api[Q, R], request: Q, newest: int) -> R:
        if time.monotonic() > self._ends_s:
            self.drop()
        if self._streams is None:
            self._streams = await open_streams(self._place, self._security)
            self._ends_s = await log_in(self._security.steps(), self._exchange)
            answer = await self._exchange(API_VERSIONS, 0, ApiVersionsRequest())
            self._versions = {
                each.api_key: (each.min_version, each.max_version) for each in answer.api_keys
            }
        first, last = self._versions.get(api.key, (1, 0))
        version = min(last, newest, api.versions.last)
        if version < max(first, api.versions.first):
            raise Invalid("client.unsupported", reason=f"{self._place} does not serve {api.name}")
        return await self._exchange(api, version, request)

    def drop(self) -> None:
        streams, self._streams = self._streams, None
        if streams is not None:
            # At once: TLS would take its leave, and whoever closes may end the loop before that.
            streams[1].transport.abort()

    async def _exchange(self, api: Api[Q, R], version: int, request: Q) -> R:
        assert self._streams is not None
        reader, writer = self._streams
        self._correlation_id += 1
        writer.write(
            frames.encode_request_frame(
                api, version, self._correlation_id, request, self._client_id
            )
        )
        await writer.drain()
        (size,) = _LENGTH.unpack(await reader.readexactly(_LENGTH.size))
        frame = await reader.readexactly(size)
        _, position = frames.decode_response_header(api, version, frame)
        answer, _ = api.decode_response(version, frame, position)
        return answer


async def open_streams(
    place: str, security: ClientSecurity
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection to `host:port`, with TLS where the brokers speak it. Raises OSError."""
    host, _, port = place.rpartition(":")
    tls = security.tls_context()
    return await asyncio.open_connection(host.strip("[]"), int(port), ssl=tls)


def fault(code: int, **details: Any) -> SummitError:
    """One of our errors for one of Kafka's codes; `details` fill its template."""
    name = codes.name_of(code)
    values: dict[str, Any] = {
        "topic": "?",
        "partition": "?",
        "group": "?",
        "reason": name,
        "kafka_error": name,
    }
    values |= details
    if code in (codes.UNKNOWN_TOPIC_OR_PARTITION, codes.UNKNOWN_TOPIC_ID):
        return Invalid("topic.unknown", **values)
    if code == codes.INVALID_TOPIC_EXCEPTION:
        return Invalid("topic.name_invalid", **values)
    if code == codes.GROUP_ID_NOT_FOUND:
        return Invalid("group.unknown", **values)
    if code in (codes.NON_EMPTY_GROUP, codes.GROUP_SUBSCRIBED_TO_TOPIC):
        return Conflict("group.not_empty", **values)
    if code == codes.TRANSACTIONAL_ID_NOT_FOUND:
        return Invalid("transaction.id_unknown", **{"transactional_id": "?", **values})
    if code in RETRIABLE:
        return Unavailable("client.broker_fault", **values)
    return Invalid("client.refused", **values)
