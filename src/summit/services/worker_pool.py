"""Several workers of one command, each a process of its own: they share the work as any others do.

One that ends unasked is started again; one that ends again and again stops all, as that needs a
person. Nothing passes through this process.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from summit.base.errors import Unavailable
from summit.base.tasks import Tasks
from summit.services.children import Child


class WorkerPool:
    """The processes.

    Args:
        count: How many.
        arguments: Of `summit worker`, for each.
        instance_id: Each gets it with its number, so that it has the same name after a restart.
        metrics_port: Of the first; the others take the ports behind it. 0: free ones.
    """

    def __init__(
        self,
        count: int,
        arguments: Sequence[str],
        *,
        instance_id: str | None = None,
        metrics_port: int | None = None,
    ) -> None:
        self._children: list[Child] = []
        for n in range(count):
            own = [] if instance_id is None else ["--instance-id", f"{instance_id}-{n}"]
            if metrics_port is not None:
                own += ["--metrics-port", str(metrics_port and metrics_port + n)]
            self._children.append(Child(f"worker-{n}", ["worker", *arguments, *own]))
        self._failure: asyncio.Future[BaseException] | None = None
        self._tasks = Tasks()

    async def start(self) -> None:
        """Start all side by side; returns when each is a member. Raises Unavailable."""
        self._failure = asyncio.get_running_loop().create_future()
        await asyncio.gather(*(child.start() for child in self._children))
        for child in self._children:
            if (metrics := child.ready.get("metrics")) is not None:
                # Who asks it knows this port: when it is started again it must have it again.
                port = str(metrics).rpartition(":")[2].rstrip("/")
                child.arguments += ["--metrics-port", port]
            self._tasks.spawn(self._watch(child), f"watch {child.name}")

    async def stop(self) -> None:
        """Let each finish its batch, commit and leave. Idempotent."""
        await asyncio.gather(*(child.stop() for child in self._children))
        await self._tasks.cancel_all()

    async def failed(self) -> BaseException:
        """Return when one of them cannot go on."""
        assert self._failure is not None
        return await asyncio.shield(self._failure)

    def addresses(self) -> Mapping[str, Any]:
        """`broker`: whom they dial; `metrics`: where they listen, if they do; their process ids."""
        first = self._children[0].ready
        found: dict[str, Any] = {"broker": first["broker"]}
        if "metrics" in first:
            found["metrics"] = [child.ready["metrics"] for child in self._children]
        return {**found, "pids": {child.name: child.pid for child in self._children}}

    async def _watch(self, child: Child) -> None:
        code = await child.supervise()
        assert self._failure is not None
        if not self._failure.done():
            reason = f"it ended with exit code {code}"
            self._failure.set_result(Unavailable("process.failed", name=child.name, reason=reason))
