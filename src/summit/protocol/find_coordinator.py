"""FindCoordinator: key 10, versions 0-6, flexible from 3.

Behaviour: `key_type` 0 is a group, 1 a transactional id, 2 a share group. v0-v3 ask for one
`key`, v4+ for several (`coordinator_keys`).

Versions: 1 key type, throttle time, error message · 3 flexible · 4 several keys · 5
TRANSACTION_ABORTABLE allowed · 6 share groups.
"""

from __future__ import annotations

from summit.protocol.api import Api
from summit.protocol.message import ARRAY, INT8, INT16, INT32, STRING, Message, field


class FindCoordinatorRequest(Message):
    key: str = field(STRING, "0-3", default="")
    key_type: int = field(INT8, "1+", default=0)
    coordinator_keys: list[str] = field(ARRAY(STRING), "4+", default_factory=list)


class Coordinator(Message):
    key: str = field(STRING, "4+")
    node_id: int = field(INT32, "4+")
    host: str = field(STRING, "4+")
    port: int = field(INT32, "4+")
    error_code: int = field(INT16, "4+")
    error_message: str | None = field(STRING, "4+", nullable="4+", default=None)


class FindCoordinatorResponse(Message):
    throttle_time_ms: int = field(INT32, "1+", default=0)
    error_code: int = field(INT16, "0-3", default=0)
    error_message: str | None = field(STRING, "1-3", nullable="1-3", default=None)
    node_id: int = field(INT32, "0-3", default=-1)
    host: str = field(STRING, "0-3", default="")
    port: int = field(INT32, "0-3", default=-1)
    coordinators: list[Coordinator] = field(ARRAY(Coordinator), "4+", default_factory=list)


FIND_COORDINATOR = Api(
    key=10,
    name="FindCoordinator",
    versions="0-6",
    flexible="3+",
    request=FindCoordinatorRequest,
    response=FindCoordinatorResponse,
)
