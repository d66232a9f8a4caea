"""kcat, unmodified, against our broker."""

from __future__ import annotations

import json
import shutil
import subprocess

import pytest
from tests.interop.processes import BrokerProcess

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(shutil.which("kcat") is None, reason="kcat is not installed"),
]


def kcat(broker: BrokerProcess, *arguments: str, given: str = "") -> str:
    done = subprocess.run(
        ["kcat", "-b", broker.address, *arguments],
        input=given, capture_output=True, text=True, timeout=90, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("codec", ["none", "gzip", "snappy", "lz4", "zstd"])
def test_every_codec_goes_through(broker: BrokerProcess, topic: str, codec: str) -> None:
    lines = "".join(f"k{i}:v{i}\n" for i in range(50))
    kcat(broker, "-P", "-t", topic, "-K:", "-z", codec, "-H", "from=kcat", given=lines)
    out = kcat(broker, "-C", "-t", topic, "-e", "-q", "-f", "%k:%s %h\n")
    assert sorted(out.splitlines()) == sorted(f"k{i}:v{i} from=kcat" for i in range(50))


def test_produce_and_consume_in_each_durability(each_durability: BrokerProcess, topic: str) -> None:
    broker = each_durability
    kcat(
        broker, "-P", "-t", topic, "-p", "0", "-X", "enable.idempotence=true",
        given="a\nb\nc\n",
    )  # fmt: skip
    out = kcat(broker, "-C", "-t", topic, "-p", "0", "-o", "1", "-e", "-q", "-f", "%o=%s\n")
    assert out == "1=b\n2=c\n"


def test_group_commits_and_resumes(broker: BrokerProcess, topic: str, group: str) -> None:
    def consume(count: int) -> list[str]:
        out = kcat(
            broker, "-G", group, "-c", str(count), "-q", "-X", "auto.offset.reset=earliest", topic
        )
        return out.split()

    kcat(broker, "-P", "-t", topic, "-p", "0", given="".join(f"v{i}\n" for i in range(10)))
    assert consume(4) == ["v0", "v1", "v2", "v3"]
    assert consume(6) == ["v4", "v5", "v6", "v7", "v8", "v9"]


def test_lists_metadata_and_asks_for_times(broker: BrokerProcess, topic: str) -> None:
    kcat(broker, "-P", "-t", topic, "-p", "0", given="x\n")
    listed = json.loads(kcat(broker, "-L", "-J", "-t", topic))
    (found,) = listed["topics"]
    assert found["topic"] == topic
    assert [part["leader"] for part in found["partitions"]] == [1, 1, 1, 1]
    assert kcat(broker, "-Q", "-t", f"{topic}:0:-1").split()[-1] == "1"
    assert kcat(broker, "-Q", "-t", f"{topic}:0:-2").split()[-1] == "0"
