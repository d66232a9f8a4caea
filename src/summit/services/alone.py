"""One process with one or both services; with a broker of its own and workers where asked for."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from summit.base.errors import Unavailable
from summit.base.tasks import Tasks
from summit.broker.settings import BrokerSettings
from summit.broker.thread import BrokerThread
from summit.client.addresses import format_address
from summit.services.children import Child
from summit.services.correlation import CorrelationService
from summit.services.gated import GatedServer
from summit.services.inner_access import use_access
from summit.services.intake import EventIntake
from summit.services.metrics import ServiceMetrics
from summit.services.metrics_feed import MetricsReader, MetricsWriter
from summit.services.node import Node
from summit.services.security import SecuritySettings
from summit.services.settings import ServiceSettings
from summit.services.streaming import StreamingService


class ServiceAlone:
    """A service process.

    Args:
        streaming: Run the streaming service and the collectors.
        correlation: Run the event correlation service.
        broker: Embed a broker with these settings.
        bootstrap_servers: Whom to dial, when no broker is embedded.
        security: Who is asked who they are, and by what.
    Raises: Invalid("auth.open_bind").
    """

    def __init__(
        self,
        *,
        streaming: ServiceSettings | None,
        correlation: ServiceSettings | None,
        broker: BrokerSettings | None,
        bootstrap_servers: Sequence[str],
        security: SecuritySettings | None = None,
    ) -> None:
        self._security = security or SecuritySettings()
        for name, settings in (("streaming", streaming), ("correlation", correlation)):
            if settings is not None:
                self._security.check_bind(f"the {name} service", settings.host)
        self._streaming = streaming
        self._correlation = correlation
        self._servers = list(bootstrap_servers)
        self._broker = BrokerThread(broker, on_failed=self._broker_failed) if broker else None
        self._node: Node | None = None
        self._intake: EventIntake | None = None
        self._figures: MetricsReader | None = None
        self._webs: dict[str, GatedServer] = {}
        self._metrics: ServiceMetrics | None = None
        self._tasks = Tasks()
        self._workers: list[Child] = []
        self._failure: asyncio.Future[BaseException] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def start(self) -> None:
        """Broker, views, services, workers, in this order. Raises what the first failure was."""
        self._loop = asyncio.get_running_loop()
        self._failure = self._loop.create_future()
        if self._broker is not None:
            await asyncio.to_thread(self._broker.start)
            inner = use_access(self._broker.inner)
            self._servers = [inner or format_address(self._broker.host, self._broker.port)]
            writer = MetricsWriter(self._servers, self._broker.metrics)
            self._tasks.spawn(writer.run(), "broker.metrics")
        self._node = Node(
            self._servers,
            runs_collectors=self._streaming is not None,
            notifies=self._correlation is not None,
        )
        await self._node.start()
        if self._streaming is not None:
            self._figures = MetricsReader(self._servers, self._node.clock)
            await self._figures.start()
            self._metrics = ServiceMetrics(self._node, self._figures)
            service = StreamingService(self._node, self._metrics)
            await self._listen("streaming", service, self._streaming)
        if self._correlation is not None:
            self._intake = EventIntake(self._node, self._correlation.response_timeout_ms)
            await self._intake.start()
            await self._listen(
                "correlation", CorrelationService(self._node, self._intake), self._correlation
            )
        await self._start_workers()

    async def stop(self) -> None:
        """Services, collectors, workers, broker: nothing that is acknowledged is left behind."""
        if self._node is not None:
            self._node.streams.end()  # streams have no end of their own that could be waited for
        await asyncio.gather(*(web.stop() for web in self._webs.values()))
        if self._intake is not None:
            await self._intake.stop()
        if self._metrics is not None:
            await self._metrics.stop()
        if self._node is not None:
            await self._node.stop()
        if self._figures is not None:
            await self._figures.stop()
        await asyncio.gather(*(worker.stop() for worker in self._workers))
        await self._tasks.cancel_all()
        if self._broker is not None and self._broker.is_running:
            await asyncio.to_thread(self._broker.stop)

    async def failed(self) -> BaseException:
        """Return when the embedded broker or the workers cannot go on."""
        assert self._failure is not None
        return await asyncio.shield(self._failure)

    def addresses(self) -> Mapping[str, Any]:
        """The broker, and the address of each service."""
        return {
            "broker": ",".join(self._servers),
            **{name: web.url for name, web in self._webs.items()},
        }

    async def _listen(self, name: str, service: Any, settings: ServiceSettings) -> None:
        assert self._node is not None
        routes = service.routes()
        routes.timed_by(service.requests.add)
        web = GatedServer(
            name, routes, self._security, settings.host, settings.port,
            ring=self._node.keys.ring, audit=self._node.audit, clock=self._node.clock,
        )  # fmt: skip
        await web.start()
        self._webs[name] = web

    async def _start_workers(self) -> None:
        settings = self._streaming or self._correlation
        assert settings is not None
        arguments = ["worker", "--bootstrap-servers", ",".join(self._servers)]
        self._workers = [Child(f"worker-{n}", arguments) for n in range(settings.workers)]
        await asyncio.gather(*(worker.start() for worker in self._workers))
        for worker in self._workers:
            self._tasks.spawn(self._watch(worker), f"watch {worker.name}")

    async def _watch(self, worker: Child) -> None:
        code = await worker.supervise()
        reason = f"it ended with exit code {code}"
        self._fail(Unavailable("process.failed", name=worker.name, reason=reason))

    def _broker_failed(self, error: BaseException) -> None:
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._fail, error)

    def _fail(self, error: BaseException) -> None:
        if self._failure is not None and not self._failure.done():
            self._failure.set_result(error)
