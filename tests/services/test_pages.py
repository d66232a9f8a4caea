"""Pages of a list that changes while it is read."""

from __future__ import annotations

import random

import pytest

from summit.base.errors import Invalid
from summit.journal.definition_log import DefinitionLog
from summit.services.pages import Page, cut, encode_cursor
from summit.web import Request


def asking(limit: int, cursor: str | None) -> Request:
    request = Request({"type": "http", "headers": []}, None, None)  # type: ignore[arg-type]
    request.query = Page(limit=limit, cursor=cursor)
    return request


@pytest.mark.parametrize("seed", range(20))
def test_what_is_there_all_the_time_comes_once(seed: int) -> None:
    chance = random.Random(seed)
    log = DefinitionLog()

    def put(name: str, value: bytes | None = b"{}") -> None:
        log.apply(log.next_offset, 1_000, f"filter/{name}", value)

    names = [f"f{number}" for number in range(12)]
    for name in chance.sample(names, len(names)):
        put(name)
    removed: set[str] = set()
    seen: list[str] = []
    cursor = None
    for _ in range(20):
        found = log.registered("filter")
        page = cut(asking(chance.randint(1, 3), cursor), found, log.first_offset)
        seen += [each.id for each in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break
        put(seen[-1], chance.choice([None, b'{"name": "new"}']))  # the cursor's own item
        other = chance.choice(names)
        if chance.random() < 0.5:
            removed.add(other)
            put(other, None)
        elif other in {each.id for each in log.registered("filter")}:
            put(other)
    assert cursor is None
    assert len(seen) == len(set(seen))
    assert set(names) - set(seen) <= removed


@pytest.mark.parametrize(
    "cursor", ["zzz", encode_cursor([]), encode_cursor(["a"]), "%00", "bnVsbA"]
)
def test_a_cursor_of_another_list_is_refused(cursor: str) -> None:
    log = DefinitionLog()
    log.apply(0, 1_000, "filter/a", b"{}")
    with pytest.raises(Invalid, match="cursor"):
        cut(asking(1, cursor), log.registered("filter"), log.first_offset)
