"""The demo's system: `summit up` on free ports and a temporary directory, set up over REST."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from summit.cli.demo.traffic import LOGINS, SSH, WEB
from summit.cli.rest import Rest
from summit.services.children import Child

TOPICS = {SSH: "demo.ssh", LOGINS: "demo.logins", WEB: "demo.web"}
_POLL_S = 0.1


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the system is: what the collectors wrote, and what the worker has yet to match."""

    accepted: dict[str, int]
    file_bytes_read: int
    lag_records: int


class Stage:
    """A running system with the demo's topics, rules and collectors.

    Args:
        directory: An empty directory; the log and the broker's data go there.
    """

    def __init__(self, directory: Path) -> None:
        directory = directory.resolve()
        self.log_path = directory / "auth.log"
        self.urls: dict[str, tuple[str, str]] = {}
        self._child = Child(
            "summit up",
            ["up", "--port", "0", "--data-dir", str(directory / "data"), "--workers", "1",
             "--log-level", "warning", "-o", "json"],
            alone_in=directory,
        )  # fmt: skip
        self._streaming: Rest | None = None
        self._correlation: Rest | None = None

    @property
    def addresses(self) -> dict[str, Any]:
        """The ready line of `summit up`."""
        return self._child.ready

    async def start(self) -> None:
        """Start the processes, then set everything up."""
        await self._child.start()
        await asyncio.to_thread(self._set_up)

    async def stop(self) -> None:
        """Drain and end the processes."""
        for rest in (self._streaming, self._correlation):
            if rest is not None:
                rest.close()
        await self._child.stop()

    async def alerts(self) -> list[dict[str, Any]]:
        """Every alert so far, oldest first."""
        return await asyncio.to_thread(self._read_alerts)

    async def wait_matched(self, sent: dict[str, int], log_bytes: int, timeout_s: float) -> None:
        """Wait until all that was sent has been written and matched. Raises TimeoutError."""
        async with asyncio.timeout(timeout_s):
            while True:
                progress = await asyncio.to_thread(self._read_progress)
                written = all(
                    progress.accepted[channel] >= sent[channel] for channel in (LOGINS, WEB)
                )
                if written and progress.file_bytes_read >= log_bytes and not progress.lag_records:
                    return
                await asyncio.sleep(_POLL_S)

    def _set_up(self) -> None:
        self._streaming = streaming = Rest(self.addresses["streaming"])
        self._correlation = correlation = Rest(self.addresses["correlation"])
        self.log_path.touch()
        for topic in TOPICS.values():
            streaming.post("/api/topics", {"name": topic, "partitions": 1, "replicationFactor": 1})
        for document in _rules():
            correlation.post("/api/patterns", document)
        for channel, field in ((LOGINS, "user"), (WEB, "sourceIP")):
            answer = streaming.post("/api/collectors", {
                "name": f"demo-{channel}", "type": "http", "port": 0,
                "topic": TOPICS[channel], "keyField": field,
            })  # fmt: skip
            self.urls[channel] = (f"http://{answer['address']}", "/ingest")
        streaming.post("/api/collectors", {
            "name": "demo-ssh", "type": "file", "path": str(self.log_path),
            "topic": TOPICS[SSH], "file": {"format": "sshd", "mode": "tail"},
        })  # fmt: skip

    def _read_progress(self) -> Progress:
        assert self._streaming is not None
        found = self._streaming.get("/api/collectors")["collectors"]
        status = {collector["name"]: collector for collector in found}
        lag = self._streaming.get("/api/metrics")["worker"]["lagRecords"]
        return Progress(
            accepted={
                channel: status[f"demo-{channel}"]["accepted"] for channel in (SSH, LOGINS, WEB)
            },
            file_bytes_read=status["demo-ssh"]["details"]["bytesRead"],
            lag_records=lag,
        )

    def _read_alerts(self) -> list[dict[str, Any]]:
        assert self._correlation is not None
        alerts: list[dict[str, Any]] = []
        path = "/api/alerts?limit=500"
        while path:
            page = self._correlation.get(path)
            alerts += page["alerts"]
            cursor = page.get("nextCursor")
            path = f"/api/alerts?limit=500&cursor={cursor}" if cursor else ""
        alerts.reverse()
        return alerts


def _rules() -> list[dict[str, Any]]:
    from summit.documents import parse_documents

    text = resources.files("summit.cli.demo").joinpath("rules.yaml").read_bytes()
    return [parsed.values for parsed in parse_documents(text, "rules.yaml")]
