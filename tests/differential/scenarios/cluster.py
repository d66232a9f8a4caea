"""What a broker says of itself, and what it does with requests that nobody can serve."""

from __future__ import annotations

import struct

from tests.differential.requests import versions
from tests.differential.side import Side

from summit.broker.dispatch import SERVED
from summit.protocol import frames
from summit.protocol.api_versions import API_VERSIONS
from summit.protocol.apis import APIS
from summit.protocol.describe_cluster import DESCRIBE_CLUSTER


def api_versions(side: Side) -> None:
    asked = {"client_software_name": "wire", "client_software_version": "1.0"}
    for v in range(5):  # Kafka 4.3 has a version 5, but not yet for everybody
        answer = side.ask("ranges", API_VERSIONS, v, asked)
        ours = {
            APIS[row.api_key].name: f"{row.min_version}-{row.max_version}"
            for row in answer.api_keys if row.api_key in SERVED
        }  # fmt: skip
        side.answers["ranges"][v]["api_keys"] = ours
        side.ask("without a name", API_VERSIONS, v, {**asked, "client_software_name": ""})
        side.ask("with a bad name", API_VERSIONS, v, {**asked, "client_software_name": "a b/"})
        for step in ("without a name", "with a bad name"):
            told = side.answers[step][v]
            told["api_keys"] = len(told["api_keys"]) > 0


def described(side: Side) -> None:
    for v in versions(DESCRIBE_CLUSTER):
        side.ask("brokers", DESCRIBE_CLUSTER, v)
        side.ask("with operations", DESCRIBE_CLUSTER, v,
                 {"include_cluster_authorized_operations": True})  # fmt: skip
        if v >= 1:
            for kind in (2, 0, 9):
                side.ask(f"endpoints of type {kind}", DESCRIBE_CLUSTER, v, {"endpoint_type": kind})
        if v >= 2:
            side.ask("fenced too", DESCRIBE_CLUSTER, v, {"include_fenced_brokers": True})


def nonsense(side: Side) -> None:
    def frame(body: bytes) -> bytes:
        return struct.pack(">i", len(body)) + body

    for key in sorted(SERVED):
        api = APIS[key]
        last = api.versions.last + 1
        head = struct.pack(">hhih", key, last, 7, -1)
        if key != API_VERSIONS.key:
            side.send_raw(f"{api.name} in version {last}", last, frame(head + b"\0" * 40))
        if api.versions.first > 0:
            before = api.versions.first - 1
            head = struct.pack(">hhih", key, before, 7, -1)
            side.send_raw(f"{api.name} in version {before}", before, frame(head + b"\0" * 40))
        if key not in (API_VERSIONS.key,):
            first = api.versions.last
            head = frames.encode_request_header(api, first, 7, "wire")
            side.send_raw(f"{api.name} cut off", first, frame(head))
    side.send_raw("an unknown API", 0, frame(struct.pack(">hhih", 9_999, 0, 7, -1)))
    side.send_raw("a negative API", 0, frame(struct.pack(">hhih", -1, 0, 7, -1)))
    side.send_raw("a negative length", 0, struct.pack(">i", -1))
    side.send_raw("a huge length", 0, struct.pack(">i", 2**31 - 1))
    side.send_raw("HTTP", 0, b"GET / HTTP/1.1\r\n\r\n")
    side.send_raw("an ApiVersions of the future", 0,
                  frame(struct.pack(">hhih", 18, 99, 7, -1) + b"\0" * 9))  # fmt: skip


SCENARIOS = {
    "cluster api versions": api_versions,
    "cluster described": described,
    "cluster nonsense": nonsense,
}
