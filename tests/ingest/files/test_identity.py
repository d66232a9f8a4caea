"""Identities: growth, equal files, used inodes, truncation."""

from __future__ import annotations

import pytest

from summit.ingest.files.coordinates import Coordinate, parse_coordinate
from summit.ingest.files.identity import Identity, identify, parse_identity, renewed


def test_a_short_file_that_grew_is_recognised() -> None:
    short = identify(1, 2, b"first\n", [])
    assert short.size_bytes == 6
    assert identify(1, 2, b"first\nsecond\n", [short]) == short


def test_other_inode_or_other_bytes_is_another_file() -> None:
    known = identify(1, 2, b"header\n", [])
    for device, inode, head in ((1, 3, b"header\n"), (2, 2, b"header\n"), (1, 2, b"Header\n")):
        assert identify(device, inode, head, [known]) != known
    assert identify(1, 2, b"head", [known]) != known


def test_the_longest_fingerprint_and_the_last_generation_win() -> None:
    short = identify(1, 2, b"a\n", [])
    long = identify(1, 2, b"a\nb\nc\n", [])
    again = long._replace(generation=2)
    assert identify(1, 2, b"a\nb\nc\nd\n", [again, short, long]) == again


def test_the_same_beginning_after_a_truncation_gets_a_new_generation() -> None:
    first = identify(1, 2, b"header\n", [])
    second = renewed(first, b"header\n", [first])
    third = renewed(second, b"header\n", [first, second])
    assert [one.generation for one in (first, second, third)] == [0, 1, 2]
    assert renewed(first, b"other\n", [first]).generation == 0
    assert len({one.text for one in (first, second, third)}) == 3


@pytest.mark.parametrize("generation", [0, 1, 31])
def test_text_round_trip(generation: int) -> None:
    identity = Identity(0x801, 0x2F0A, 1024, "9f86d081884c7d65", generation)
    assert parse_identity(identity.text) == identity
    assert not set(identity.text) & set(": ")
    place = Coordinate(identity.text, 12, 3)
    assert parse_coordinate(place.text.encode()) == place


@pytest.mark.parametrize("text", ["", "a-b", "x-y-z-w", "1-2-3-4-5-6", "1-2-3-abc-zz"])
def test_no_identity(text: str) -> None:
    assert parse_identity(text) is None


@pytest.mark.parametrize(
    "header", [None, b"", b"http:1:2:3", b"file:a:1", b"file:a:x:0", b"file:a:1:-1", b"file:\xff"]
)
def test_no_coordinate(header: bytes | None) -> None:
    assert parse_coordinate(header) is None
