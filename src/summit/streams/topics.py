"""The topics of an app: those it reads and writes, and its own, made where they are missing."""

from __future__ import annotations

from typing import Final

from summit.base.errors import Conflict
from summit.client.admin import Admin
from summit.client.topics import TopicConfig
from summit.operators.graph import Graph
from summit.streams.plan import Plan, changelog_topic, repartition_topic, tasks_topic
from summit.streams.settings import StreamSettings

_FRAMES_KEPT_MS: Final = 7 * 86_400_000
_SEGMENT_BYTES: Final = 16 << 20


async def make_plan(admin: Admin, graph: Graph, settings: StreamSettings) -> Plan:
    """The plan for the topics as they are; those that are missing are made.

    Raises: Conflict("streams.topic_size") where a topic of the app is there with another number of
        partitions; Invalid as `Plan`; Unavailable; whatever the cluster answers to a topic that it
        will not make.
    """
    topics = sorted({source.topic for source in graph.sources()})
    for topic in topics:
        await admin.create_if_missing(TopicConfig(name=topic))
    counts = {t.name: len(t.partitions) for t in await admin.describe_topics(topics)}
    tasks = tasks_topic(settings.app_id)
    slots = settings.slots or max(counts.values(), default=1)
    await admin.create_if_missing(TopicConfig(name=tasks, partitions=slots))
    (found,) = await admin.describe_topics([tasks])
    if settings.slots is not None and len(found.partitions) != settings.slots:
        raise _other_size(tasks, len(found.partitions), settings.slots)
    plan = Plan(settings.app_id, graph, counts, len(found.partitions))
    changelog = TopicConfig(
        name=changelog_topic(plan.app_id), partitions=plan.slots, cleanup_policy="compact",
        segment_bytes=_SEGMENT_BYTES,
    )  # fmt: skip
    own = [changelog]
    for name in plan.repartitions:
        own.append(
            TopicConfig(
                name=repartition_topic(plan.app_id, name), partitions=plan.counts[name],
                retention_ms=_FRAMES_KEPT_MS, segment_bytes=_SEGMENT_BYTES,
            )
        )  # fmt: skip
    for config in own:
        await admin.create_if_missing(config)
    made = await admin.describe_topics([config.name for config in own])
    sizes = {topic.name: len(topic.partitions) for topic in made}
    for config in own:
        if sizes[config.name] != config.partitions:
            raise _other_size(config.name, sizes[config.name], config.partitions)
    for sink in graph.sinks():
        await admin.create_if_missing(TopicConfig(name=sink.topic))
    return plan


def _other_size(topic: str, found: int, wanted: int | None) -> Conflict:
    return Conflict("streams.topic_size", topic=topic, found=found, wanted=wanted)
