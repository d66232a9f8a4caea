"""The supervisor of `summit up`: a broker, a node with both services, and workers.

Each is a process of its own, so none shares another's interpreter lock. The node and the workers
are restarted when they end unasked; a broker that ends stops everything, because it does so only
when its disk or its start failed, and someone has to look.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from summit.base.errors import Unavailable
from summit.base.tasks import Tasks
from summit.services.children import Child
from summit.services.inner_access import choose_password, use_password


class Supervisor:
    """The process tree.

    Args:
        broker: Arguments of `summit broker`; none where a broker is there already.
        node: Arguments of `summit node` without the address of the broker.
        workers: How many workers.
        options: Arguments that every process gets.
        bootstrap_servers: The broker that is there, when `broker` is None.
    """

    def __init__(
        self,
        *,
        broker: Sequence[str] | None,
        node: Sequence[str],
        workers: int,
        options: Sequence[str] = (),
        bootstrap_servers: Sequence[str] = (),
    ) -> None:
        self._options = list(options)
        if broker is not None:
            choose_password()
        self._broker = (
            Child("broker", ["broker", *broker, *options]) if broker is not None else None
        )
        self._node_arguments = list(node)
        self._workers_count = workers
        self._bootstrap = self._told = ",".join(bootstrap_servers)
        self._node: Child | None = None
        self._workers: list[Child] = []
        self._failure: asyncio.Future[BaseException] | None = None
        self._tasks = Tasks()

    async def start(self) -> None:
        """Start the broker, then the rest side by side; return when all are ready."""
        self._failure = asyncio.get_running_loop().create_future()
        if self._broker is not None:
            await self._broker.start()
            self._bootstrap = self._told = self._broker.ready["broker"]
            if "inner" in self._broker.ready:
                self._bootstrap = self._broker.ready["inner"]
                use_password()
            self._tasks.spawn(self._watch_broker(self._broker), "watch broker")
        dial = ["--bootstrap-servers", self._bootstrap, *self._options]
        self._node = Child("node", ["node", *dial, *self._node_arguments])
        # Where the broker is ours nobody else takes these names for workers of it.
        names = [["--instance-id", f"up-{n}"] if self._broker else []
                 for n in range(self._workers_count)]  # fmt: skip
        self._workers = [
            Child(f"worker-{n}", ["worker", *dial, *name]) for n, name in enumerate(names)
        ]
        children = [self._node, *self._workers]
        await asyncio.gather(*(child.start() for child in children))
        # Clients know these addresses: when the node is started again, it must have them again.
        for option, name in (("--port", "streaming"), ("--correlation-port", "correlation")):
            port = str(self._node.ready[name]).rpartition(":")[2]
            self._node.arguments += [option, port]
        for child in children:
            self._tasks.spawn(self._watch(child), f"watch {child.name}")

    async def stop(self) -> None:
        """Stop in the order of the data: node and collectors, workers, broker."""
        if self._node is not None:
            await self._node.stop()
        await asyncio.gather(*(worker.stop() for worker in self._workers))
        if self._broker is not None:
            await self._broker.stop()
        await self._tasks.cancel_all()

    async def failed(self) -> BaseException:
        """Return when a part cannot go on."""
        assert self._failure is not None
        return await asyncio.shield(self._failure)

    def addresses(self) -> Mapping[str, Any]:
        """The broker, both services, and the process ids."""
        assert self._node is not None
        node = {key: value for key, value in self._node.ready.items() if key != "pid"}
        return {
            **node,
            "broker": self._told,
            "pids": {
                child.name: child.pid
                for child in (self._broker, self._node, *self._workers)
                if child is not None
            },
        }

    async def _watch_broker(self, child: Child) -> None:
        code = await child.wait()
        self._fail(child.name, code)

    async def _watch(self, child: Child) -> None:
        code = await child.supervise()
        self._fail(child.name, code)

    def _fail(self, name: str, code: int) -> None:
        assert self._failure is not None
        if not self._failure.done():
            reason = f"it ended with exit code {code}"
            self._failure.set_result(Unavailable("process.failed", name=name, reason=reason))
