"""What commands share that read or change definitions: following them, waiting for workers."""

from __future__ import annotations

from typing import Any

from summit.base.errors import Invalid
from summit.cli.output import talk

ACTING_TIMEOUT_MS = 30_000


class following:  # noqa: N801 - used as a function
    """An open follower of the definitions."""

    def __init__(self, servers: list[str]) -> None:
        from summit.journal.definitions import Definitions
        from summit.services.definition_kinds import check_definition

        self._definitions = Definitions(servers, validate=check_definition, name="summit-cli")

    async def __aenter__(self) -> Any:
        await self._definitions.start()
        return self._definitions

    async def __aexit__(self, *_: object) -> None:
        await self._definitions.stop()


async def wait_acting(servers: list[str], offset: int, timeout_ms: int = ACTING_TIMEOUT_MS) -> bool:
    """Wait until the workers go by the definition at `offset`; say so where they do not."""
    from summit.base.clock import SystemClock
    from summit.base.errors import Unavailable
    from summit.client import ClusterAdmin
    from summit.journal.progress import wait_acting as wait

    async with ClusterAdmin({"bootstrapServers": servers}) as admin:
        running = await workers_run(admin)
    if not running:
        talk("no worker runs; they act when one does")
        return False
    try:
        await wait(servers, offset, SystemClock(), ACTING_TIMEOUT_MS)
    except Unavailable as error:
        talk(f"warning: they are stored, but the worker does not go by them yet: {error}")
        return False
    return True


async def workers_run(admin: Any) -> bool:
    """Whether any worker runs; `admin` is connected."""
    from summit.flow.settings import WORKERS_GROUP

    return bool((await admin.describe_group(WORKERS_GROUP)).members)


async def pattern(servers: list[str], rule: str) -> Any:
    """The definition of a pattern. Raises Invalid("definition.unknown", "state.no_pattern")."""
    async with following(servers) as definitions:
        others = [
            kind for kind in ("query", "correlation", "filter", "transformation", "enrichment")
            if definitions.log.get(kind, rule) is not None
        ]  # fmt: skip
        if others and definitions.log.get("pattern", rule) is None:
            raise Invalid("state.no_pattern", rule=rule, kind=others[0])
        return definitions.get("pattern", rule)
