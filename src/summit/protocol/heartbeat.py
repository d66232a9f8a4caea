"""Heartbeat: key 12, versions 0-4, flexible from 4.

Versions: 1 throttle time · 3 static members · 4 flexible.
"""

from __future__ import annotations

from summit.protocol.api import Api
from summit.protocol.message import INT16, INT32, STRING, Message, field


class HeartbeatRequest(Message):
    group_id: str = field(STRING, "0+")
    generation_id: int = field(INT32, "0+")
    member_id: str = field(STRING, "0+")
    group_instance_id: str | None = field(STRING, "3+", nullable="3+", default=None)


class HeartbeatResponse(Message):
    throttle_time_ms: int = field(INT32, "1+", default=0)
    error_code: int = field(INT16, "0+")


HEARTBEAT = Api(
    key=12,
    name="Heartbeat",
    versions="0-4",
    flexible="4+",
    request=HeartbeatRequest,
    response=HeartbeatResponse,
)
