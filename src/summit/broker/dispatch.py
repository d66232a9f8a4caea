"""From a frame to the handler of its API.

The table below is everything that is served. A frame that cannot be understood ends its
connection, as in Kafka: an answer of the wrong shape would only mislead the client. ApiVersions in
a version that is too new is the exception: it is answered, so that the client can ask again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from summit.base.errors import SummitError
from summit.base.limits import REQUEST_BYTES_MAX
from summit.base.logs import get_logger
from summit.broker.api import (
    add_offsets_to_txn,
    add_partitions_to_txn,
    alter_configs,
    alter_user_scram_credentials,
    api_versions,
    consumer_group_describe,
    consumer_group_heartbeat,
    create_acls,
    create_partitions,
    create_topics,
    delete_acls,
    delete_groups,
    delete_records,
    delete_topics,
    describe_acls,
    describe_cluster,
    describe_configs,
    describe_groups,
    describe_log_dirs,
    describe_producers,
    describe_topic_partitions,
    describe_transactions,
    describe_user_scram_credentials,
    end_txn,
    fetch,
    find_coordinator,
    heartbeat,
    incremental_alter_configs,
    init_producer_id,
    join_group,
    leave_group,
    list_config_resources,
    list_groups,
    list_offsets,
    list_transactions,
    metadata,
    offset_commit,
    offset_delete,
    offset_fetch,
    offset_for_leader_epoch,
    produce,
    sasl_authenticate,
    sasl_handshake,
    sync_group,
    txn_offset_commit,
    write_txn_markers,
)
from summit.broker.connection import Connection
from summit.broker.request import Request
from summit.broker.security import guards
from summit.broker.state import BrokerState
from summit.protocol import frames
from summit.protocol.api_versions import API_VERSIONS
from summit.protocol.apis import APIS
from summit.protocol.fetch import FETCH
from summit.protocol.produce import PRODUCE

Handler = Callable[[BrokerState, Request, Any], None]

HANDLERS: Final[dict[int, Handler]] = {
    1: fetch.handle,
    2: list_offsets.handle,
    3: metadata.handle,
    8: offset_commit.handle,
    9: offset_fetch.handle,
    10: find_coordinator.handle,
    11: join_group.handle,
    12: heartbeat.handle,
    13: leave_group.handle,
    14: sync_group.handle,
    15: describe_groups.handle,
    16: list_groups.handle,
    17: sasl_handshake.handle,
    18: api_versions.handle,
    19: create_topics.handle,
    20: delete_topics.handle,
    21: delete_records.handle,
    22: init_producer_id.handle,
    23: offset_for_leader_epoch.handle,
    24: add_partitions_to_txn.handle,
    25: add_offsets_to_txn.handle,
    26: end_txn.handle,
    27: write_txn_markers.handle,
    28: txn_offset_commit.handle,
    29: describe_acls.handle,
    30: create_acls.handle,
    31: delete_acls.handle,
    32: describe_configs.handle,
    33: alter_configs.handle,
    35: describe_log_dirs.handle,
    36: sasl_authenticate.handle,
    37: create_partitions.handle,
    42: delete_groups.handle,
    44: incremental_alter_configs.handle,
    47: offset_delete.handle,
    50: describe_user_scram_credentials.handle,
    51: alter_user_scram_credentials.handle,
    60: describe_cluster.handle,
    61: describe_producers.handle,
    65: describe_transactions.handle,
    66: list_transactions.handle,
    68: consumer_group_heartbeat.handle,
    69: consumer_group_describe.handle,
    74: list_config_resources.handle,
    75: describe_topic_partitions.handle,
}

# Produce parses its own body (`produce.handle`), so it is not in the table; Fetch tries first.
SERVED: Final = frozenset((PRODUCE.key, *HANDLERS))

_REPORTED_MAX: Final = 1_000  # different refusals that are logged; an attacker can invent many

_log = get_logger(__name__)


class Dispatcher:
    """Takes frames, finds their handlers. Loop thread only."""

    def __init__(self, state: BrokerState) -> None:
        self._state = state
        self._metrics = state.metrics
        self._is_guarded = state.guard is not None
        self._request = guards.GuardedRequest if self._is_guarded else Request
        self._reported: set[tuple[object, ...]] = set()

    def handle(self, connection: Connection, frame: bytearray) -> None:
        """Serve one request frame or end its connection."""
        view = memoryview(frame)
        try:
            header, position = frames.decode_request_header(view)
            key, version, correlation_id, client_id = header
            api = APIS.get(key)
            if api is None or key not in SERVED or version not in api.versions:
                self._unsupported(connection, header)
                return
            metrics = self._metrics
            metrics.requests += 1
            request = self._request(connection, api, version, correlation_id, client_id)
            if key == PRODUCE.key:
                metrics.produce_requests += 1
                produce.handle(self._state, request, view, position)
                return
            if len(frame) > REQUEST_BYTES_MAX:
                frames.check_frame_length(len(frame), key)
            name = api.name
            metrics.by_api[name] = metrics.by_api.get(name, 0) + 1
            if (
                key == FETCH.key
                and not self._is_guarded
                and fetch.handle_plain(self._state, request, view, position)
            ):
                return
            message, _ = api.decode_request(version, view, position)
        except SummitError as error:
            self._refuse(connection, error.code, str(error))
            return
        connection.expect(request)
        if isinstance(request, guards.GuardedRequest):
            access = self._state.security.access(connection)
            if access is not None and not guards.check(self._state, access, request, message):
                return
        HANDLERS[key](self._state, request, message)

    def _unsupported(self, connection: Connection, header: frames.RequestHeader) -> None:
        key, version, correlation_id, client_id = header
        if key == API_VERSIONS.key and version > API_VERSIONS.versions.last:
            request = Request(connection, API_VERSIONS, 0, correlation_id, client_id)
            connection.expect(request)
            request.respond(
                frames.unsupported_api_versions(correlation_id, self._state.api_versions)
            )
            return
        self._refuse(connection, "unsupported", f"API key {key} version {version}")

    def _refuse(self, connection: Connection, code: str, text: str) -> None:
        self._metrics.failed_requests += 1
        report = (code, text)
        if report not in self._reported and len(self._reported) < _REPORTED_MAX:
            self._reported.add(report)
            _log.warning(
                "request.refused", code=code, reason=text, peer=connection.peer_host,
                software=connection.client_software,
            )  # fmt: skip
        connection.close()
