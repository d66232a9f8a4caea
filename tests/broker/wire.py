"""A raw client for tests: sends what it is told, decodes what comes back, hides nothing."""

from __future__ import annotations

import socket
import struct
from typing import Any

from summit.protocol import frames
from summit.protocol.api import Api
from summit.protocol.create_topics import CREATE_TOPICS, CreatableTopic, CreateTopicsRequest
from summit.protocol.fetch import FETCH, FetchPartition, FetchRequest, FetchTopic
from summit.protocol.metadata import METADATA, MetadataRequest, MetadataRequestTopic
from summit.protocol.primitives import ZERO_UUID
from summit.protocol.produce import (
    PRODUCE,
    PartitionProduceData,
    ProduceRequest,
    TopicProduceData,
)
from summit.records import Record, build_batch, iter_records, split_batches


class Wire:
    """One connection to a broker."""

    def __init__(self, port: int, host: str = "127.0.0.1", timeout_s: float = 10.0) -> None:
        self.socket = socket.create_connection((host, port), timeout_s)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.correlation_id = 0

    def __enter__(self) -> Wire:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.socket.close()

    # ---- bytes ----

    def send_raw(self, data: bytes) -> None:
        self.socket.sendall(data)

    def read(self, size: int) -> bytes:
        """Exactly `size` bytes; EOFError if the broker hangs up before."""
        data = bytearray()
        while len(data) < size:
            piece = self.socket.recv(size - len(data))
            if not piece:
                raise EOFError(bytes(data))
            data += piece
        return bytes(data)

    def read_frame(self) -> bytes:
        (size,) = struct.unpack(">i", self.read(4))
        return self.read(size)

    def is_closed_by_broker(self) -> bool:
        """Whether the broker hangs up without another byte."""
        try:
            return self.socket.recv(1) == b""
        except ConnectionResetError:
            return True

    # ---- messages ----

    def send(self, api: Api[Any, Any], version: int, message: Any) -> int:
        self.correlation_id += 1
        self.socket.sendall(
            frames.encode_request_frame(api, version, self.correlation_id, message, "wire")
        )
        return self.correlation_id

    def receive(self, api: Api[Any, Any], version: int, correlation_id: int | None = None) -> Any:
        frame = self.read_frame()
        found, position = frames.decode_response_header(api, version, frame)
        if correlation_id is not None:
            assert found == correlation_id
        message, end = api.decode_response(version, frame, position)
        assert end == len(frame), "bytes are left over"
        return message

    def ask(self, api: Api[Any, Any], version: int, message: Any) -> Any:
        return self.receive(api, version, self.send(api, version, message))

    # ---- the common ones ----

    def create_topic(self, name: str, partitions: int = 1, **configs: str) -> Any:
        from summit.protocol.create_topics import CreatableTopicConfig

        topic = CreatableTopic(
            name=name,
            num_partitions=partitions,
            replication_factor=1,
            configs=[
                CreatableTopicConfig(name=key.replace("_", "."), value=value)
                for key, value in configs.items()
            ],
        )
        answer = self.ask(CREATE_TOPICS, 7, CreateTopicsRequest(topics=[topic]))
        return answer.topics[0]

    def metadata(self, *names: str, version: int = 12) -> Any:
        topics = [MetadataRequestTopic(name=name) for name in names]
        return self.ask(METADATA, version, MetadataRequest(topics=topics))

    def produce(
        self, topic: Any, records: bytes | None, *, index: int = 0, acks: int = -1, version: int = 9
    ) -> Any:
        request = produce_request(topic, records, index=index, acks=acks)
        if acks == 0:
            self.send(PRODUCE, version, request)
            return None
        return self.ask(PRODUCE, version, request).topics[0].partitions[0]

    def fetch(self, topic: Any, offset: int, *, version: int = 12, **fields: Any) -> Any:
        request = fetch_request([(topic, 0, offset)], **fields)
        return self.ask(FETCH, version, request).topics[0].partitions[0]

    def fetch_values(self, topic: Any, offset: int = 0, **fields: Any) -> list[bytes | None]:
        part = self.fetch(topic, offset, **fields)
        assert part.error_code == 0, part.error_code
        return [record.value for record in records_of(part.records) if record.offset >= offset]

    def ask_values(self, topic: str, index: int) -> list[bytes]:
        """Every value of a partition."""
        found: list[bytes] = []
        while True:
            request = fetch_request([(topic, index, len(found))])
            part = self.ask(FETCH, 12, request).topics[0].partitions[0]
            assert part.error_code == 0, part.error_code
            found += [r.value or b"" for r in records_of(part.records) if r.offset >= len(found)]
            if len(found) >= part.high_watermark:
                return found


def name_or_id(topic: Any) -> dict[str, Any]:
    return {"name": topic} if isinstance(topic, str) else {"name": "", "topic_id": topic}


def produce_request(
    topic: Any, records: bytes | None, *, index: int = 0, acks: int = -1
) -> ProduceRequest:
    part = PartitionProduceData(index=index, records=records)
    return ProduceRequest(
        acks=acks,
        timeout_ms=10_000,
        topics=[TopicProduceData(partitions=[part], **name_or_id(topic))],
    )


def fetch_request(
    wanted: list[tuple[Any, int, int]],
    *,
    max_wait_ms: int = 0,
    min_bytes: int = 1,
    max_bytes: int = 1 << 25,
    partition_max_bytes: int = 1 << 20,
    **fields: Any,
) -> FetchRequest:
    topics = []
    for topic, index, offset in wanted:
        part = FetchPartition(
            index=index, fetch_offset=offset, partition_max_bytes=partition_max_bytes
        )
        topics.append(FetchTopic(partitions=[part], **name_or_id(topic)))
    return FetchRequest(
        max_wait_ms=max_wait_ms, min_bytes=min_bytes, max_bytes=max_bytes, topics=topics, **fields
    )


def batch_of(*values: bytes, **fields: Any) -> bytes:
    """One record batch, timestamps 1000, 1001, …"""
    first_ms = fields.pop("first_ms", 1000)
    records = [
        Record(offset=i, timestamp=first_ms + i, key=None, value=value, headers=())
        for i, value in enumerate(values)
    ]
    return bytes(build_batch(records, **fields))


def records_of(data: Any) -> list[Record]:
    data = bytes(data or b"")
    return [
        record
        for position, size in split_batches(data)
        for record in iter_records(data[position : position + size])
    ]


NO_ID = ZERO_UUID
