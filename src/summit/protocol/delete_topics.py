"""DeleteTopics: key 20, versions 1-6, flexible from 4.

Behaviour: v1-v5 name topics (`topic_names`); v6 takes names or ids (`topics`: a None name means
by id).

Versions: 4 flexible · 5 error message · 6 topic ids.
"""

from __future__ import annotations

import uuid

from summit.protocol.api import Api
from summit.protocol.message import ARRAY, INT16, INT32, STRING, UUID, Message, field
from summit.protocol.primitives import ZERO_UUID


class DeleteTopicState(Message):
    name: str | None = field(STRING, "6+", nullable="6+", default=None)
    topic_id: uuid.UUID = field(UUID, "6+", default=ZERO_UUID)


class DeleteTopicsRequest(Message):
    topics: list[DeleteTopicState] = field(ARRAY(DeleteTopicState), "6+", default_factory=list)
    topic_names: list[str] = field(ARRAY(STRING), "0-5", default_factory=list)
    timeout_ms: int = field(INT32, "0+")


class DeletableTopicResult(Message):
    name: str | None = field(STRING, "0+", nullable="6+")
    topic_id: uuid.UUID = field(UUID, "6+", default=ZERO_UUID)
    error_code: int = field(INT16, "0+")
    error_message: str | None = field(STRING, "5+", nullable="5+", default=None)


class DeleteTopicsResponse(Message):
    throttle_time_ms: int = field(INT32, "1+", default=0)
    responses: list[DeletableTopicResult] = field(ARRAY(DeletableTopicResult), "0+")


DELETE_TOPICS = Api(
    key=20,
    name="DeleteTopics",
    versions="1-6",
    flexible="4+",
    request=DeleteTopicsRequest,
    response=DeleteTopicsResponse,
)
