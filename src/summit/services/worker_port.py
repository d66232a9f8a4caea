"""The port of a worker process: Prometheus and health checks."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import Metric

from summit.flow.worker import Worker
from summit.identity import KeyRing
from summit.services.gated import GatedServer
from summit.services.prometheus_text import prometheus_response
from summit.services.security import SecuritySettings
from summit.services.worker_families import WorkerSample, of_workers
from summit.web import Request, Response, Routes, json_response

_WORKS = ("active", "standby", "restoring")


def worker_port(
    worker: Worker, host: str, port: int, security: SecuritySettings, ring: KeyRing
) -> GatedServer:
    """A server for one worker, not started."""
    routes = Routes()

    async def scrape(_: Request) -> Response:
        return prometheus_response(_Families(worker))

    async def ready(_: Request) -> Response:
        works = worker.state in _WORKS
        reasons = [] if works else [{"part": "worker", "reason": f"it is {worker.state}"}]
        body = {**worker.status(), "reasons": reasons}
        return json_response(body, status=200 if works else 503)

    async def alive(_: Request) -> dict[str, str]:
        return {"status": "alive"}

    routes.get("/metrics", scrape)
    routes.get("/readyz", ready)
    routes.get("/livez", alive)
    return GatedServer("worker", routes, security, host, port, ring=ring, audit=None)


class _Families:
    """A worker's figures at the moment of a scrape."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    def collect(self) -> Iterator[Metric]:
        found = self._worker.figures()
        if found is None:
            return
        metrics, groups = self._worker.metrics, self._worker.key_groups
        yield from of_workers([WorkerSample(found, groups, metrics.lags, metrics.exchange_lag)])
