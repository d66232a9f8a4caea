"""Metrics, settings, identity, topic configs, and the format of stored offsets and groups."""

from __future__ import annotations

from typing import Any

import pytest
from tests.sim.faulty_files import FaultyFiles

from summit.base.clock import ManualClock
from summit.base.errors import Corrupt, Invalid
from summit.base.rand import Rand
from summit.broker import BrokerSettings, topic_configs
from summit.broker.groups import stored
from summit.broker.groups.group import Group
from summit.broker.groups.member import JoinAsk, SyncAsk
from summit.broker.groups.states import GroupLimits, State
from summit.broker.identity import ensure_identity
from summit.broker.metrics import Metrics
from summit.broker.topics import check_topic_name


class TestMetrics:
    def test_rates_are_over_the_last_ten_seconds(self) -> None:
        clock = ManualClock()
        metrics = Metrics(clock)
        for second in range(30):
            metrics.messages_in += 100 if second < 15 else 10
            clock.advance(1000)
            metrics.sample()
        assert metrics.rates()["messages_in_per_s"] == pytest.approx(10)
        assert metrics.totals()["messages_in"] == 15 * 100 + 15 * 10

    def test_rates_are_right_before_the_first_window_is_full(self) -> None:
        clock = ManualClock()
        metrics = Metrics(clock)
        metrics.bytes_in += 500
        clock.advance(2000)
        assert metrics.rates()["bytes_in_per_s"] == pytest.approx(250)

    def test_rates_fall_to_zero(self) -> None:
        clock = ManualClock()
        metrics = Metrics(clock)
        metrics.bytes_in += 500
        for _ in range(12):
            clock.advance(1000)
            metrics.sample()
        assert metrics.rates()["bytes_in_per_s"] == 0


@pytest.mark.parametrize(
    "fields",
    [
        {"port": 70_000},
        {"port": -1},
        {"num_partitions": 0},
        {"durability": "sometimes"},
        {"log_retention_ms": 0},
        {"group_min_session_timeout_ms": 5000, "group_max_session_timeout_ms": 4000},
        {"data_dir": ""},
        {"wal_file_bytes": 1},
    ],
)
def test_settings_that_are_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(Invalid):
        BrokerSettings.from_dict(fields)


def test_settings_from_text_as_the_environment_gives_it() -> None:
    settings = BrokerSettings.from_dict({"port": "0", "autoCreateTopics": "true", "dataDir": "d"})
    assert (settings.port, settings.auto_create_topics) == (0, True)
    assert settings.partition_dirs == ["d/topics"]


class TestIdentity:
    def test_is_written_once_and_kept(self) -> None:
        files = FaultyFiles()
        files.make_dirs("d")
        first = ensure_identity(files, "d", 1, Rand(1))
        assert len(first) == 22
        assert ensure_identity(files, "d", 1, Rand(2)) == first
        assert ensure_identity(files, "d", 5, Rand(2)) == first
        assert b"node.id=5" in files.read_bytes("d/meta.properties")

    @pytest.mark.parametrize(
        ("content", "error"),
        [(b"format.version=9\ncluster.id=x\n", Invalid), (b"format.version=1\n", Corrupt),
         (b"", Invalid)],
    )  # fmt: skip
    def test_what_cannot_be_read_is_refused(self, content: bytes, error: type[Exception]) -> None:
        files = FaultyFiles()
        files.make_dirs("d")
        files.write_atomic("d/meta.properties", content)
        with pytest.raises(error):
            ensure_identity(files, "d", 1, Rand(1))


@pytest.mark.parametrize("name", ["a", "A.b_c-9", "x" * 249])
def test_legal_topic_names(name: str) -> None:
    check_topic_name(name)


class TestTopicConfigs:
    def test_canonical_texts(self) -> None:
        given = {"retention.ms": " 05 ", "segment.ms": None, "cleanup.policy": "delete"}
        assert topic_configs.validate(given) == {"retention.ms": "5", "cleanup.policy": "delete"}

    def test_effective_values_and_the_log(self) -> None:
        settings = BrokerSettings(log_retention_ms=77)
        values = topic_configs.effective({"segment.bytes": "4096"}, settings)
        assert (values["retention.ms"], values["segment.bytes"]) == ("77", "4096")
        config = topic_configs.log_config(values)
        assert (config.retention_ms, config.segment_bytes) == (77, 4096)
        assert config.log_append_time is False


class TestStored:
    """The bytes are Kafka's: key versions 1 and 2, value version 3."""

    def test_offsets(self) -> None:
        key = stored.offset_key("g", "t", 2)
        assert key == b"\0\1\0\1g\0\1t\0\0\0\2"
        value = stored.OffsetValue(
            offset=7, leader_epoch=-1, metadata="m", commit_timestamp_ms=1000
        )
        data = stored.offset_value(value)
        assert data == b"\0\3" + (7).to_bytes(8, "big") + b"\xff" * 4 + b"\0\1m" + (1000).to_bytes(
            8, "big"
        )
        assert stored.decode_key(key) == stored.OffsetKey(group_id="g", topic="t", partition=2)
        assert stored.decode_offset_value(data) == value

    @pytest.mark.parametrize(
        ("data", "offset"),
        [
            (b"\0\0" + (5).to_bytes(8, "big") + b"\0\0" + bytes(8), 5),
            (b"\0\1" + (6).to_bytes(8, "big") + b"\0\0" + bytes(16), 6),
            (b"\0\2" + (7).to_bytes(8, "big") + b"\0\0" + bytes(8), 7),
        ],
    )
    def test_older_values_are_read(self, data: bytes, offset: int) -> None:
        found = stored.decode_offset_value(data)
        assert found is not None
        assert (found.offset, found.leader_epoch) == (offset, -1)

    def test_unknown_versions_are_passed_over(self) -> None:
        assert stored.decode_key(b"\0\x09rest") is None
        assert stored.decode_key(b"\0") is None
        assert stored.decode_offset_value(b"\0\x09rest") is None
        assert stored.decode_group_value(b"\0\x09rest") is None

    def test_groups_come_back(self) -> None:
        group = Group("g", GroupLimits())
        ask = JoinAsk(
            member_id="", fresh_member_id="m", instance_id="i", client_id="c", client_host="/h",
            protocols=[("range", b"sub")],
        )  # fmt: skip
        group.join(ask, "ticket", 0)
        group.sync(
            SyncAsk(member_id="m", instance_id="i", generation=1, assignments={"m": b"part"}),
            "ticket", 0,
        )  # fmt: skip
        group.saved(1)
        data = stored.group_value(group, 5)
        assert data[:16] == b"\0\3\0\x08consumer\0\0\0\1"
        value = stored.decode_group_value(data)
        assert value is not None
        again = Group("g", GroupLimits())
        stored.restore_group(again, value, 0)
        assert (again.state, again.generation, again.leader_id) == (State.STABLE, 1, "m")
        assert again.static_ids == {"i": "m"}
        assert again.members["m"].assignment == b"part"
        assert again.members["m"].metadata("range") == b"sub"
