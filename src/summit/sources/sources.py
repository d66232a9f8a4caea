"""The sources of a set of enrichments: opened when a rule comes, closed when it goes."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from summit.base.clock import Clock, SystemClock
from summit.base.config import environment
from summit.base.errors import Invalid, SummitError
from summit.base.secrets import read_secret
from summit.documents.enrichment import EnrichmentPlan
from summit.documents.enrichment_sources import (
    ApiPlan,
    CustomPlan,
    GeoPlan,
    SourcePlan,
    TablePlan,
)
from summit.enrich.enriching import Found
from summit.enrich.privacy import Secrets
from summit.sources.api import ApiSource
from summit.sources.functions import FunctionSource, Handler, installed_handler
from summit.sources.geo import GeoSource
from summit.sources.source import Source
from summit.sources.sqlite import SqliteSource
from summit.sources.tables import FileSource, InlineSource
from summit.sources.topics import TopicSource

GEOIP_VARIABLE: Final = "SUMMIT_GEOIP_DATABASE"


@dataclass(frozen=True)
class SourceSettings:
    """What sources need beside their plans.

    Attributes:
        servers: Addresses of the brokers, for rows of topics.
        geoip_database: Where a rule names none; None = `SUMMIT_GEOIP_DATABASE` of the environment.
        handlers: Functions by name, beside the installed ones.
        secrets: Gives the secret of a reference.
    """

    servers: Sequence[str] = ()
    geoip_database: str | None = None
    handlers: Mapping[str, Handler] = field(default_factory=dict)
    secrets: Secrets = read_secret


def open_source(rule: str, plan: SourcePlan, settings: SourceSettings, clock: Clock) -> Source:
    """The source of a rule. May read a file; one of a topic is not started.

    Raises: Invalid: "enrichment.table", "enrichment.handler", "enrichment.database",
        "network.invalid", "secret.missing", "extra.missing".
    """
    match plan:
        case TablePlan():
            return _open_table(plan, settings, clock)
        case ApiPlan():
            return ApiSource(rule, plan, clock, settings.secrets)
        case GeoPlan():
            path = plan.database or settings.geoip_database or environment().get(GEOIP_VARIABLE)
            if not path:
                raise Invalid("enrichment.database", rule=rule)
            return GeoSource(path, clock)
        case CustomPlan():
            name = plan.handler or rule
            handler = settings.handlers.get(name) or installed_handler(name)
            return FunctionSource(handler, plan, clock)


def _open_table(plan: TablePlan, settings: SourceSettings, clock: Clock) -> Source:
    if plan.table is not None:
        return InlineSource(plan)
    if plan.file is not None:
        return FileSource(plan, clock)
    if plan.sqlite is not None:
        return SqliteSource(plan, clock)
    if not settings.servers:
        raise Invalid("enrichment.table", reason="a topic needs a broker: give its addresses")
    return TopicSource(plan, settings.servers, clock)


class Sources:
    """See the module; one loop's."""

    def __init__(self, settings: SourceSettings, clock: Clock | None = None) -> None:
        self._settings = settings
        self._clock = clock or SystemClock()
        self._plans: dict[str, SourcePlan] = {}
        self._sources: dict[str, Source | str] = {}  # or why there is none

    async def use(self, plans: Iterable[EnrichmentPlan]) -> dict[str, str]:
        """Have these and no others; those that stay the same go on as they are.

        Files are read in a thread.

        Returns: By rule, why its source cannot be had; it is tried again with the next call.
        """
        wanted = {plan.id: plan.source for plan in plans}
        for rule in list(self._sources):
            source = self._sources[rule]
            if isinstance(source, str) or self._plans.get(rule) != wanted.get(rule):
                del self._sources[rule]
                if not isinstance(source, str):
                    await source.close()
        self._plans = wanted
        for rule, plan in wanted.items():
            if rule not in self._sources:
                self._sources[rule] = await self._open(rule, plan)
        return {rule: text for rule, text in self._sources.items() if isinstance(text, str)}

    async def find(self, rule: str, keys: Sequence[Any]) -> list[Found]:
        """What the source of a rule has for each key."""
        source = self._sources[rule]
        if isinstance(source, str):
            return [Found("error", reason=source)] * len(keys)
        return await source.find(keys)

    async def close(self) -> None:
        """Close all. Idempotent."""
        await self.use(())

    async def _open(self, rule: str, plan: SourcePlan) -> Source | str:
        try:
            if isinstance(plan, TablePlan | GeoPlan) and getattr(plan, "topic", None) is None:
                return await asyncio.to_thread(open_source, rule, plan, self._settings, self._clock)
            source = open_source(rule, plan, self._settings, self._clock)
            if isinstance(source, TopicSource):
                await source.start()
            return source
        except SummitError as error:
            return str(error)
