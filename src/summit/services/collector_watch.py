"""The collectors of a node: as the definitions have them, whoever has changed those.

A definition says whether its collector runs (`enabled`) and whether it takes events (`paused`), so
what REST and the command line do to it holds after a restart, and on every node.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, Final, TypeVar
from weakref import WeakValueDictionary

import msgspec

from summit.base.errors import Conflict, Invalid, SummitError, Unavailable
from summit.base.logs import get_logger
from summit.base.tasks import Tasks
from summit.documents import validate_collector
from summit.ingest import Collector, CollectorConfig
from summit.journal.definition_log import Change
from summit.services.definition_kinds import collector_enabled, collector_settings
from summit.services.internal_topics import refuse_internal

if TYPE_CHECKING:
    from summit.services.node import Node

RETRY_S: Final = 5.0  # how often what could not be reached is tried again
START_S: Final = 60.0  # how long the start of a collector may take
FIRST_S: Final = 10.0  # how long the node waits for those that are defined; then they go on alone

R = TypeVar("R")

log = get_logger(__name__)


class CollectorWatch:
    """Starts, stops, pauses and renews the collectors of one node.

    Args:
        node: Whose definitions, collectors and producer it goes by.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._tasks = Tasks()
        self._changes: asyncio.Queue[Change] = asyncio.Queue()
        self._failures: dict[str, str] = {}  # why a defined collector does not run
        self._to_retry: set[str] = set()  # those of them that waiting may mend
        # One change of a collector at a time; a slow one holds up no other.
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._asked: set[str] = set()  # that wait for their turn to be renewed

    async def start(self) -> None:
        """Start what is defined, and follow the definitions from now on."""
        self._node.definitions.on("change", self._note_change)
        first = [
            self._tasks.spawn(self._try_renew(definition.id), f"node.collectors {definition.id}")
            for definition in self._node.definitions.current("collector")
        ]
        if first:
            await asyncio.wait(first, timeout=FIRST_S)
        self._tasks.spawn(self._follow(), "node.collectors")
        self._tasks.spawn(self._retry(), "node.collectors retry")

    async def stop(self) -> None:
        """Follow no more; the collectors are the node's to stop."""
        await self._tasks.cancel_all()

    async def add(self, document: dict[str, Any]) -> dict[str, Any]:
        """Start a collector and make it part of the definitions; on failure nothing is left.

        Returns: Its status, as `statuses` has it.
        Raises: Conflict("collector.exists"), Invalid, Unavailable.
        """
        checked = validate_collector({"kind": "collector", **document})
        config = collector_settings({"kind": "collector", **document})
        refuse_internal(config.topic, "/topic")
        node = self._node
        definition = {**document, "kind": "collector", "id": config.name}
        async with self._turn(config.name):
            if node.definitions.log.get("collector", config.name) is not None:
                raise Conflict("collector.exists", name=config.name)
            if not checked.enabled:
                await node.definitions.publish(definition)
                return _not_running(definition, "disabled", None)
            made_topic = await node.ensure_topic(config.topic)
            try:
                collector = await self._add(config)
                try:
                    await node.definitions.publish(definition)
                except BaseException:
                    await node.collectors.remove(collector.name)
                    raise
            except BaseException:
                used = any(one.config.topic == config.topic for one in node.collectors.list())
                if made_topic and not used:
                    await node.drop_topic(config.topic)
                raise
            return _status(collector)

    async def replace(self, name: str, document: dict[str, Any]) -> dict[str, Any]:
        """Have a collector run as another document says; on failure it runs as before.

        Returns: Its status, as `statuses` has it.
        Raises: Invalid("collector.unknown"), Invalid, Unavailable.
        """
        definition = {**document, "kind": "collector", "id": name}
        config = collector_settings(definition)
        enabled = collector_enabled(definition)
        refuse_internal(config.topic, "/topic")
        async with self._turn(name):
            before = self._require(name)
            if definition == before:
                return self.status(name)
            if not await self._runs_as(name, definition):
                if name in self._running():
                    await self._node.collectors.remove(name)
                try:
                    if enabled:
                        await self._node.ensure_topic(config.topic)
                        await self._add(config)
                except BaseException:
                    await self._start(name, before)
                    raise
            self._forget_failure(name)
            await self._node.definitions.publish(definition)
            return self.status(name)

    def status(self, name: str) -> dict[str, Any]:
        """One of `statuses`. Raises Invalid("collector.unknown")."""
        for status in self.statuses():
            if status["name"] == name:
                return status
        raise Invalid("collector.unknown", name=name)

    async def remove(self, name: str) -> None:
        """Stop a collector and take it out of the definitions. Raises Invalid."""
        async with self._turn(name):
            self._require(name)
            if name in self._running():
                await self._node.collectors.remove(name)
            if self._node.definitions.log.get("collector", name) is not None:
                await self._node.definitions.delete("collector", name)
            self._forget_failure(name)

    async def turn_on(self, name: str) -> dict[str, Any]:
        """Start a collector that does not run, or has failed; its definition says so from now on.

        Raises: Invalid("collector.unknown"); Conflict("collector.running"); what its start says.
        """
        async with self._turn(name):
            document = self._require(name)
            known = self._registered(name)
            if known is not None and known.state in ("running", "paused", "degraded"):
                raise Conflict("collector.running", name=name, state=known.state)
            if known is not None:
                await self._node.collectors.remove(name)
            wanted = {**document, "enabled": True, "paused": False}
            config = collector_settings(wanted)
            await self._node.ensure_topic(config.topic)
            collector = await self._add(config)
            self._forget_failure(name)
            await self._publish(document, wanted)
            return _status(collector)

    async def turn_off(self, name: str) -> dict[str, Any]:
        """Stop a collector; it stays defined, and stays stopped. Raises Invalid."""
        async with self._turn(name):
            document = self._require(name)
            wanted = {**document, "enabled": False}
            await self._publish(document, wanted)
            if name in self._running():
                await self._node.collectors.remove(name)
            self._forget_failure(name)
            return _not_running({**wanted, "id": name}, "disabled", None)

    async def pause(self, name: str, *, paused: bool) -> dict[str, Any]:
        """Have a running collector take nothing, or go on; that holds after a restart too.

        Raises: Invalid("collector.unknown"); Conflict("collector.not_running").
        """
        async with self._turn(name):
            document = self._require(name)
            known = self._registered(name)
            if known is None:
                raise Conflict("collector.not_running", name=name, state="disabled")
            await _set_paused(known, paused)
            await self._publish(document, {**document, "paused": paused})
            return _status(known)

    async def restart(self, name: str) -> dict[str, Any]:
        """Stop a running collector and start it again. Raises as `Collector.restart`."""
        async with self._turn(name):
            document = self._require(name)
            known = self._registered(name)
            if known is None:
                raise Conflict("collector.not_running", name=name, state="disabled")
            await _in_time(name, known.restart())
            # Its configuration may say otherwise: it is as old as the collector.
            await _set_paused(known, bool(document.get("paused")))
            return _status(known)

    def statuses(self) -> list[dict[str, Any]]:
        """Every collector: those that run, and those of the definitions that do not, and why."""
        found = [_status(collector) for collector in self._node.collectors.list()]
        running = {status["name"] for status in found}
        for definition in self._node.definitions.current("collector"):
            if definition.id not in running:
                reason = self._failures.get(definition.id)
                state = "disabled" if reason is None else "failed"
                found.append(_not_running(definition.document, state, reason))
        return found

    # ---- definitions that others change ----

    def _note_change(self, change: Change) -> None:
        if change.key.startswith("collector/"):
            self._changes.put_nowait(change)

    async def _follow(self) -> None:
        while True:
            change = await self._changes.get()
            name = change.key.partition("/")[2]
            self._tasks.spawn(self._try_renew(name), f"node.collectors {name}")

    async def _retry(self) -> None:
        """Start again what could not start because something was not there."""
        while True:
            await asyncio.sleep(RETRY_S)
            for name in list(self._to_retry):
                self._tasks.spawn(self._try_renew(name), f"node.collectors {name}")

    async def _try_renew(self, name: str) -> None:
        """As `_renew`; whatever a collector does wrong, the others are looked after."""
        if name in self._asked:
            return  # that one will see the newest definition, too
        self._asked.add(name)
        async with self._turn(name):
            self._asked.discard(name)
            try:
                await self._renew(name)
            except Exception as error:  # noqa: BLE001 - a plugin may raise anything
                self._note_failure(name, error)

    async def _renew(self, name: str) -> None:
        """Have a collector run as its newest definition says."""
        definition = self._node.definitions.log.get("collector", name)
        document = None if definition is None else definition.document
        if document is not None and await self._runs_as(name, document):
            return
        if name in self._running():
            await self._node.collectors.remove(name)
        self._forget_failure(name)
        if document is not None:
            await self._start(name, document)

    async def _runs_as(self, name: str, document: dict[str, Any]) -> bool:
        """Whether the collector runs just as its document says; only a pause is made to fit."""
        known = self._registered(name)
        if known is None:
            return False
        try:
            wanted = collector_settings(document)
            if not collector_enabled(document) or not _same_but_paused(known.config, wanted):
                return False
            if wanted.paused != (known.state == "paused"):
                await _set_paused(known, wanted.paused)
        except (Invalid, Conflict):
            return False
        return True

    async def _start(self, name: str, document: dict[str, Any]) -> None:
        try:
            if not collector_enabled(document):
                return
            config = collector_settings(document)
            await self._node.ensure_topic(config.topic)
            await self._add(config)
        except Exception as error:  # noqa: BLE001 - a plugin may raise anything
            # The others go on; the definition stays, and the next start tries again.
            self._note_failure(name, error)

    # ---- small things ----

    def _turn(self, name: str) -> asyncio.Lock:
        return self._turns.setdefault(name, asyncio.Lock())

    async def _add(self, config: CollectorConfig) -> Collector:
        node = self._node
        return await _in_time(config.name, node.collectors.add(config, node.producer))

    async def _publish(self, document: dict[str, Any], wanted: dict[str, Any]) -> None:
        if document and wanted != document:
            await self._node.definitions.publish(wanted)

    def _require(self, name: str) -> dict[str, Any]:
        """The collector's definition; empty for one that only runs. Raises Invalid."""
        definition = self._node.definitions.log.get("collector", name)
        if definition is not None:
            return dict(definition.document)
        if name in self._running():
            return {}
        raise Invalid("collector.unknown", name=name)

    def _note_failure(self, name: str, error: Exception) -> None:
        told = isinstance(error, SummitError)
        self._failures[name] = str(error) if told else f"{type(error).__name__}: {error}"
        if isinstance(error, Unavailable):
            self._to_retry.add(name)
        log.error("collector.not_started", exc_info=not told, name=name, error=str(error))

    def _forget_failure(self, name: str) -> None:
        self._failures.pop(name, None)
        self._to_retry.discard(name)

    def _registered(self, name: str) -> Collector | None:
        return self._node.collectors.get(name) if name in self._running() else None

    def _running(self) -> set[str]:
        return {collector.name for collector in self._node.collectors.list()}


async def _in_time(name: str, starting: Coroutine[Any, Any, R]) -> R:
    """What starts a collector, ended when it takes too long. Raises Unavailable."""
    try:
        async with asyncio.timeout(START_S) as limit:
            return await starting
    except TimeoutError as error:
        if not limit.expired():
            raise  # the collector's own
        raise Unavailable("collector.start_slow", name=name, seconds=int(START_S)) from error


async def _set_paused(collector: Collector, paused: bool) -> None:
    await (collector.pause() if paused else collector.resume())


def _same_but_paused(config: CollectorConfig, wanted: CollectorConfig) -> bool:
    return config.replace(paused=False) == wanted.replace(paused=False)


def _status(collector: Collector) -> dict[str, Any]:
    status: dict[str, Any] = msgspec.to_builtins(collector.status())
    return status


def _not_running(document: dict[str, Any], state: str, reason: str | None) -> dict[str, Any]:
    """The status of a collector that is defined and does not run."""
    return {
        "name": document.get("id"), "type": document.get("type"), "topic": document.get("topic"),
        "state": state, "address": None, "accepted": 0, "rejected": 0, "deadLetters": 0,
        "sampled": 0, "bytes": 0, "rates": {}, "startedAt": None,
        "lastError": reason, "lastErrorAt": None, "details": {},
    }  # fmt: skip
