"""Both services with a broker of their own, in this process, on a thread; and calls to them."""

from __future__ import annotations

import asyncio
import http.client
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from summit.broker.settings import BrokerSettings
from summit.services.alone import ServiceAlone
from summit.services.security import SecuritySettings
from summit.services.settings import ServiceSettings


class Services:
    """A running pair.

    Attributes:
        urls: By name: `streaming`, `correlation`.
        component: What runs; only its loop may touch it.
    """

    def __init__(self, component: ServiceAlone, loop: asyncio.AbstractEventLoop) -> None:
        self.component = component
        self.loop = loop
        self.urls = {
            name: str(url) for name, url in component.addresses().items() if name != "broker"
        }
        self.broker = str(component.addresses()["broker"])

    def ask(
        self, service: str, method: str, path: str, key: str | None = None, body: Any = None,
        headers: dict[str, str] | None = None,
    ) -> tuple[int, Any, dict[str, str]]:  # fmt: skip
        """Status, JSON (or text) and headers of one request on a connection of its own."""
        given = {} if key is None else {"Authorization": f"Bearer {key}"}
        data = None if body is None else json.dumps(body).encode()
        if data is not None:
            given["Content-Type"] = "application/json"
        place = urlsplit(self.urls[service])
        connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=60)
        try:
            connection.request(method, path, data, {**given, **(headers or {})})
            answer = connection.getresponse()
            content = b"" if "event-stream" in answer.headers.get("Content-Type", "") else (
                answer.read()
            )  # fmt: skip
            told = {name.lower(): value for name, value in answer.headers.items()}
        finally:
            connection.close()
        try:
            return answer.status, json.loads(content), told
        except ValueError:
            return answer.status, content.decode(), told

    def run(self, work: Callable[[ServiceAlone], Any]) -> Any:
        """Await what `work` makes, on the loop of the services."""
        return asyncio.run_coroutine_threadsafe(work(self.component), self.loop).result(60)


@contextmanager
def services(directory: Path, security: SecuritySettings) -> Iterator[Services]:
    """Both services on free ports, without workers."""
    component = ServiceAlone(
        streaming=ServiceSettings(workers=0), correlation=ServiceSettings(workers=0),
        broker=BrokerSettings(data_dir=str(directory), port=0, durability="os"),
        bootstrap_servers=[], security=security,
    )  # fmt: skip
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="services")
    thread.start()

    def finish(work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, loop).result(60)

    try:
        finish(component.start())
        yield Services(component, loop)
    finally:
        finish(component.stop())
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
