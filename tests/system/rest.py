"""Calls to one service, and what every refusal looks like."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from tests.system.running import call

Answer = tuple[int, Any]


class Rest:
    """`rest("GET", "/path", body)` gives status and JSON."""

    def __init__(self, url: str) -> None:
        self.url = url

    def __call__(self, method: str, path: str, body: Any = None) -> Answer:
        return call(method, self.url + path, body)

    @contextmanager
    def later(self, method: str, path: str, body: Any = None) -> Iterator[Future[Answer]]:
        """The same on a thread of its own."""
        with ThreadPoolExecutor(1) as pool:
            yield pool.submit(self, method, path, body)


def problem(answer: Answer, status: int, code: str) -> dict[str, Any]:
    """Check that an answer is a problem of this code, whole as RFC 9457 and the guide want it."""
    got, members = answer
    assert (got, members.get("code")) == (status, code), members
    assert members["status"] == status
    assert members["error"] == members["detail"] != ""
    assert members["type"] == "about:blank"
    assert members["title"]
    assert members["instance"].startswith("/")
    assert members["requestId"]
    assert members["advice"]
    return members  # type: ignore[no-any-return]
