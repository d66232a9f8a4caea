"""Whether the rows of an enrichment can be had from here, before an event needs them.

Nothing is asked for: a file is read, a topic is described, of a service only a connection is made
and closed again. Workers may stand elsewhere, so what is found is a doubt and no error.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from typing import Final
from urllib.parse import urlsplit

from summit.base.clock import Clock
from summit.base.errors import Invalid, SummitError
from summit.client.admin import Admin
from summit.documents.enrichment import EnrichmentPlan
from summit.documents.enrichment_sources import ApiPlan, CustomPlan, TablePlan
from summit.http_out.guard import is_internal
from summit.sources.sources import Sources, SourceSettings, open_source

_LOOK_MS: Final = 2_000  # for each step
_FROM_HERE: Final = "as seen from here it finds nothing, workers on other machines may: {}"


async def doubts_about(plan: EnrichmentPlan, servers: Sequence[str], clock: Clock) -> list[str]:
    """Texts that say why nothing would be found; none where all is well. Takes seconds at most."""
    source = plan.source
    settings = SourceSettings(servers=servers)
    if isinstance(source, TablePlan) and source.topic is not None:
        return await _of_topic(source.topic, servers)
    if isinstance(source, CustomPlan | ApiPlan):
        try:
            await open_source(plan.id, source, settings, clock).close()
        except SummitError as error:
            return [_FROM_HERE.format(error)]
        return await _of_service(source) if isinstance(source, ApiPlan) else []
    sources = Sources(settings, clock)
    try:
        faults = await sources.use((plan,))
    except SummitError as error:
        return [f"it finds nothing: {error}"]
    finally:
        await sources.close()
    return [_FROM_HERE.format(fault) for fault in faults.values()]


async def _of_topic(topic: str, servers: Sequence[str]) -> list[str]:
    config = {"clientId": "summit-doubts", "bootstrapServers": list(servers)}
    try:
        async with asyncio.timeout(_LOOK_MS / 1_000), Admin(config) as admin:
            configs = await admin.topic_configs(topic)
    except Invalid:
        return [f"there is no topic '{topic}': it finds nothing until there is one with rows"]
    except (SummitError, TimeoutError):
        return [f"the topic '{topic}' could not be looked at: no broker has answered in time"]
    policy = configs.get("cleanup.policy")
    if policy is not None and "compact" not in (policy.value or ""):
        text = f"the topic '{topic}' is not compacted: rows go that are older than its retention"
        return [text + "; set cleanup.policy=compact"]
    return []


async def _of_service(plan: ApiPlan) -> list[str]:
    """Whether somebody listens where a service should be."""
    parts = urlsplit(plan.url)
    host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
    if "${" in parts.netloc:
        return []  # where it is depends on the event
    loop = asyncio.get_running_loop()
    wait_s = min(plan.timeout_ms, _LOOK_MS) / 1_000
    try:
        async with asyncio.timeout(wait_s):
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, TimeoutError, UnicodeError) as error:
        reason = str(error) or "no answer in time"
        return [_FROM_HERE.format(f"the host '{host}' is not known ({reason})")]
    addresses = list(dict.fromkeys(str(each[4][0]) for each in found))
    outside = [address for address in addresses if plan.allow_private or not is_internal(address)]
    if not outside:
        text = f"'{host}' is the internal address {addresses[0]}, which rules may not ask"
        return [f"it finds nothing: {text}; where that is meant, say 'allowPrivate: true'"]
    reason = ""
    for address in outside:
        try:
            async with asyncio.timeout(wait_s):
                _, writer = await asyncio.open_connection(address, port)
        except (OSError, TimeoutError) as error:
            reason = str(error) or "no answer in time"
            continue
        writer.close()
        return []
    return [_FROM_HERE.format(f"nobody listens at {host}:{port} ({reason})")]
