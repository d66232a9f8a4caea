"""Pages of lists: a limit, and an opaque cursor that goes on behind the last item.

The cursor holds what the last item of a page is sorted by, so a list that changes between two pages
neither repeats an item nor leaves one out that was there all the time; the last item may be gone.
"""

from __future__ import annotations

import base64
from bisect import bisect_right
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Generic, NamedTuple, TypeVar
from urllib.parse import urlencode

import msgspec

from summit.base.errors import Invalid
from summit.web import Request, Response, json_response

LIMIT_DEFAULT = 100
LIMIT_MAX = 1_000
Limit = Annotated[int, msgspec.Meta(ge=1, le=LIMIT_MAX, description="At most so many.")]
Cursor = Annotated[
    str, msgspec.Meta(min_length=1, description="`nextCursor` of the page before; goes on there.")
]
T = TypeVar("T")


class Page(msgspec.Struct, frozen=True):
    """Which part of a list."""

    limit: Limit = LIMIT_MAX
    cursor: Cursor | None = None


class Cut(NamedTuple, Generic[T]):
    """A page, and the cursor behind it; None = it is the last."""

    items: Sequence[T]
    next_cursor: str | None


def cut(request: Request, items: Sequence[T], key_of: Callable[[T], int | str]) -> Cut[T]:
    """The page that a request asks for.

    Args:
        items: In ascending order of their keys.
        key_of: What an item is sorted by, as long as it is there; each has another one.
    Raises: Invalid("web.cursor_invalid").
    """
    query = request.query
    limit, cursor = getattr(query, "limit", LIMIT_MAX), getattr(query, "cursor", None)
    if cursor is not None:
        try:
            last = decode_cursor(cursor, list[Any])[0]
            items = items[bisect_right(items, last, key=key_of) :]
        except (TypeError, IndexError) as error:  # one of another list
            raise Invalid("web.cursor_invalid", cursor=cursor, pointer="cursor") from error
    page = items[:limit]
    more = len(items) > limit
    return Cut(page, encode_cursor([key_of(page[-1])]) if more else None)


def paged(request: Request, content: dict[str, Any], next_cursor: str | None) -> Response:
    """A page as an answer: with `nextCursor` and a link to the next one, where there is one."""
    if next_cursor is None:
        return json_response(content)
    others = [(k, v) for k, v in request.query_params.multi_items() if k != "cursor"]
    target = f"{request.url.path}?{urlencode([*others, ('cursor', next_cursor)])}"
    return json_response(
        {**content, "nextCursor": next_cursor}, headers={"Link": f'<{target}>; rel="next"'}
    )


def encode_cursor(position: Any) -> str:
    """A position as an opaque text."""
    return base64.urlsafe_b64encode(msgspec.json.encode(position)).rstrip(b"=").decode()


def decode_cursor(cursor: str, type_: type[T]) -> T:
    """The position of a cursor. Raises Invalid("web.cursor_invalid")."""
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), b"-_", validate=True)
        return msgspec.json.decode(raw, type=type_)
    except (ValueError, msgspec.MsgspecError) as error:
        raise Invalid("web.cursor_invalid", cursor=cursor, pointer="cursor") from error
