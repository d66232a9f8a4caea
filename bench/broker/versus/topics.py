"""Topics for the brokers that are compared: made, and waited for."""

from __future__ import annotations

import time

from bench.broker import small
from bench.broker.versus.peers import Peer

from summit.protocol import frames
from summit.protocol.create_topics import CREATE_TOPICS, CreatableTopic, CreateTopicsRequest
from summit.protocol.metadata import METADATA, MetadataRequest, MetadataRequestTopic

PATIENCE_S = 120.0


def create(peer: Peer, topic: str, partitions: int) -> None:
    """Make a topic and wait until it serves."""
    wanted = CreatableTopic(name=topic, num_partitions=partitions, replication_factor=1)
    request = CreateTopicsRequest(topics=[wanted], timeout_ms=60_000)
    frame = frames.encode_request_frame(CREATE_TOPICS, 5, 1, request, "bench")
    with small.connect(peer.port) as connection:
        connection.settimeout(PATIENCE_S)
        connection.sendall(frame)
        small.read_frame(connection)
    wait_led(peer, topic, partitions)


def wait_led(peer: Peer, topic: str, partitions: int) -> None:
    """Wait until every partition of a topic has a leader."""
    request = MetadataRequest(topics=[MetadataRequestTopic(name=topic)])
    frame = frames.encode_request_frame(METADATA, 8, 1, request, "bench")
    deadline = time.monotonic() + PATIENCE_S
    with small.connect(peer.port) as connection:
        connection.settimeout(PATIENCE_S)
        while True:
            connection.sendall(frame)
            answer = small.read_frame(connection)[8:]
            found = METADATA.decode_response(8, answer)[0].topics[0]
            if len(found.partitions) == partitions and not any(
                part.error_code for part in found.partitions
            ):
                return
            assert time.monotonic() < deadline, f"{peer.name}: {topic} is not led"
            time.sleep(0.01)
