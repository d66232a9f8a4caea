"""A client of the gRPC collector in Python; for other languages protoc makes one of `proto/`.

channel = grpc.insecure_channel("localhost:50051")        # or grpc.aio
reply = IngestStub(channel).Publish(PublishRequest(json=b'[{"eventType": "click"}]'))
"""

from __future__ import annotations

from typing import Any

from summit.ingest.grpc.messages import (
    SERVICE,
    Event,
    EventBatch,
    PublishAck,
    PublishReply,
    PublishRequest,
    PublishSummary,
)

__all__ = [
    "Event",
    "EventBatch",
    "IngestStub",
    "PublishAck",
    "PublishReply",
    "PublishRequest",
    "PublishSummary",
]


class IngestStub:
    """The methods of the service over one channel, named as in the proto.

    Args:
        channel: Of `grpc` or of `grpc.aio`.
    """

    def __init__(self, channel: Any) -> None:
        def method(make: Any, name: str, answer: Any) -> Any:
            return make(
                f"/{SERVICE}/{name}",
                request_serializer=PublishRequest.SerializeToString,
                response_deserializer=answer.FromString,
            )

        self.Publish = method(channel.unary_unary, "Publish", PublishReply)
        self.PublishMany = method(channel.stream_unary, "PublishMany", PublishSummary)
        self.PublishStream = method(channel.stream_stream, "PublishStream", PublishAck)
