"""Error codes agree with kio's and cover the catalogue."""

from __future__ import annotations

from kio.schema.errors import ErrorCode

from summit.base.catalogue import CATALOGUE
from summit.base.errors import Internal, Invalid
from summit.protocol import codes


def test_names_numbers_and_retriability_agree_with_kio() -> None:
    assert {code.name.upper(): code.value for code in ErrorCode} == codes.CODES
    assert {code.value for code in ErrorCode if code.retriable} == codes.RETRIABLE


def test_every_kafka_code_of_the_catalogue_exists() -> None:
    unknown = {
        row.code: row.kafka_code
        for row in CATALOGUE.values()
        if row.kafka_code is not None and row.kafka_code not in codes.CODES
    }
    assert unknown == {}


def test_code_of_an_error() -> None:
    assert codes.code_of(Invalid("protocol.unknown_api", key=1)) == codes.UNSUPPORTED_VERSION
    assert codes.code_of(Internal("internal", reason="x")) == codes.UNKNOWN_SERVER_ERROR
    assert codes.code_of(Invalid("config.invalid", reason="x")) == codes.UNKNOWN_SERVER_ERROR


def test_names() -> None:
    assert codes.name_of(3) == "UNKNOWN_TOPIC_OR_PARTITION"
    assert codes.name_of(0) == "NONE"
    assert codes.name_of(4711) == "ERROR_4711"
