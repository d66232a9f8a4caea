"""Configuration of collectors: both spellings, every refusal with its place."""

from __future__ import annotations

from typing import Any

import pytest

from summit.base.errors import Invalid
from summit.stream_ingestion import CollectorConfig, FileOptions, HttpOptions


def test_the_guide_s_form() -> None:
    config = CollectorConfig.from_dict(
        {"name": "http-collector", "type": "http", "port": 8080, "path": "/ingest", "topic": "raw"}
    )
    assert config == CollectorConfig(
        name="http-collector", type="http", port=8080, path="/ingest", topic="raw"
    )
    assert CollectorConfig(name="h", type="http", topic="t").listen_port == 8080


def test_both_spellings_and_the_way_back() -> None:
    camel = {
        "name": "a",
        "type": "http",
        "topic": "t",
        "keyField": "user.id",
        "batchSize": 10,
        "flushInterval": 5,
        "http": {"maxBodyBytes": 5, "rateLimit": 3},
    }
    config = CollectorConfig.from_dict(camel)
    assert config.http == HttpOptions(max_body_bytes=5, rate_limit=3)
    snake = {**camel, "http": {"max_body_bytes": 5, "rate_limit": 3}}
    snake["key_field"] = snake.pop("keyField")
    assert CollectorConfig.from_dict(snake) == config
    assert CollectorConfig.from_dict(config.to_dict()) == config
    assert config.to_dict()["http"]["maxBodyBytes"] == 5


def test_file_options() -> None:
    config = CollectorConfig(
        name="f", type="file", topic="t", path="/a", file=FileOptions(paths=["/b*"], mode="batch")
    )
    assert config.file_patterns == ["/a", "/b*"]
    assert CollectorConfig.from_dict(config.to_dict()) == config


@pytest.mark.parametrize(
    ("changes", "code", "pointer"),
    [
        ({"type": "mqtt", "port": 70_000}, "config.invalid", "/port"),
        ({"type": "database"}, "config.invalid", "/database/url"),
        (
            {"type": "database", "database": {"url": "oracle://a/b"}},
            "config.invalid",
            "/database/url",
        ),
        (
            {"type": "database", "database": {"url": "postgres://u:secret@h/b"}},
            "config.invalid",
            "/database/url",
        ),
        (
            {"type": "database", "database": {"url": "postgres://h/b?password=secret"}},
            "config.invalid",
            "/database/url",
        ),
        (
            {"type": "database", "database": {"url": "postgres://h/b", "password": "plain"}},
            "config.invalid",
            "/database/password",
        ),
        ({"type": "other"}, "config.invalid", "/type"),
        ({"nme": 1}, "config.unknown_key", "/nme"),
        ({"name": ""}, "config.invalid", "/name"),
        ({"topic": ""}, "config.invalid", "/topic"),
        ({"port": 70_000}, "config.invalid", "/port"),
        ({"path": "ingest"}, "config.invalid", "/path"),
        ({"path": "/in/{x}"}, "config.invalid", "/path"),
        ({"batchSize": 0}, "config.invalid", "/batchSize"),
        ({"flushInterval": 5}, "config.invalid", "/flushInterval"),
        ({"keyField": "a..b"}, "path.invalid", None),
        ({"file": {}}, "config.invalid", "/file"),
        ({"http": {"maxBody": 1}}, "config.unknown_key", "/http/maxBody"),
        ({"http": {"maxBodyBytes": 0}}, "config.invalid", "/http/maxBodyBytes"),
        ({"http": {"maxBodyBytes": "x"}}, "config.invalid", "/http/maxBodyBytes"),
        ({"http": {"rateLimit": 0}}, "config.invalid", "/http/rateLimit"),
        ({"http": {"rateBurst": 5}}, "config.invalid", "/http/rateBurst"),
        ({"type": "websocket", "http": {}}, "config.invalid", "/http"),
        ({"host": "0.0.0.0"}, "config.invalid", "/http/auth/type"),
        ({"http": {"auth": {"type": "apiKey"}}}, "config.invalid", "/http/auth/secrets"),
        (
            {"http": {"auth": {"type": "apiKey", "secrets": ["open"]}}},
            "config.invalid",
            "/http/auth/secrets/0",
        ),
        ({"http": {"onError": "x"}}, "config.invalid", "/http/onError"),
        ({"keyField": "a", "keyTemplate": "${a}"}, "config.invalid", "/keyTemplate"),
        ({"keyTemplate": "${a"}, "config.invalid", "/keyTemplate"),
        ({"topicTemplate": "x.${a}"}, "config.invalid", "/allowedTopics"),
        ({"sampleRate": 0}, "config.invalid", "/sampleRate"),
        ({"rateLimit": -1}, "config.invalid", "/rateLimit"),
        ({"onInvalid": "tag"}, "config.invalid", "/onInvalid"),
        ({"eventSchema": {"type": "nothing"}}, "schema.invalid", "/eventSchema"),
        ({"options": {}}, "config.invalid", "/options"),
        ({"http": {"ackTimeoutMs": 0}}, "config.invalid", "/http/ackTimeoutMs"),
        ({"type": "file"}, "config.invalid", "/path"),
        ({"type": "file", "path": "/a", "port": 1}, "config.invalid", "/port"),
        ({"type": "file", "path": "/a", "http": {}}, "config.invalid", "/http"),
        ({"type": "file", "path": "/a", "file": {"mode": "x"}}, "config.invalid", "/file/mode"),
        (
            {"type": "file", "path": "/a", "file": {"format": "xml"}},
            "config.invalid",
            "/file/format",
        ),
        ({"type": "file", "path": "/a", "file": {"paths": [""]}}, "config.invalid", "/file/paths"),
        ({"type": "file", "path": "/a", "file": {"year": 5}}, "config.invalid", "/file/year"),
        (
            {"type": "file", "path": "/a", "file": {"pollIntervalMs": 1}},
            "config.invalid",
            "/file/pollIntervalMs",
        ),
    ],
)
def test_what_is_refused(changes: dict[str, Any], code: str, pointer: str | None) -> None:
    values = {"name": "a", "type": "http", "topic": "t", **changes}
    with pytest.raises(Invalid) as caught:
        CollectorConfig.from_dict(values)
    assert caught.value.code == code
    if pointer is not None:
        assert caught.value.details["pointer"] == pointer


@pytest.mark.parametrize(
    ("options", "pointer"),
    [
        ({"after": "move"}, "/file/moveTo"),
        ({"format": "regex"}, "/file/pattern"),
        ({"format": "regex", "pattern": "a"}, "/file/pattern"),
        ({"format": "csv", "multiline": {"start": "a"}}, "/file/multiline"),
        ({"multiline": {}}, "/file/multiline/start"),
        ({"multiline": {"start": "("}}, "/file/multiline/start"),
        ({"types": {"a": "int"}}, "/file/types"),
        ({"format": "csv", "delimiter": ";;"}, "/file/delimiter"),
        ({"format": "parquet", "compression": "gzip"}, "/file/compression"),
    ],
)
def test_options_of_files_that_are_refused(options: dict[str, Any], pointer: str) -> None:
    values = {"name": "a", "type": "file", "topic": "t", "path": "/a", "file": options}
    with pytest.raises(Invalid) as caught:
        CollectorConfig.from_dict(values)
    assert caught.value.details["pointer"] == pointer
