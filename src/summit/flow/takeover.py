"""The beginning of a session: everything as the worker before left it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from summit.base.limits import READ_BACK_MS_MAX
from summit.base.logs import get_logger
from summit.documents.plan import PatternPlan
from summit.flow.alert_trail import AlertTrail
from summit.flow.cuts import cut_of, cuts_of
from summit.flow.replay import Replay
from summit.flow.resume import Resumption, estimate_low, plan_resumption, read_alerts
from summit.flow.rules import rules_of
from summit.journal.progress import read_last_progress
from summit.journal.progress_record import Positions, ProgressRecord
from summit.journal.topics import ALERTS, ALERTS_TOPIC, PROGRESS, ensure_topics

if TYPE_CHECKING:
    from summit.flow.session import Session


async def take_over(session: Session) -> None:
    """Find where to go on, rebuild unfinished matches, and begin to read there.

    Raises: Unavailable; Conflict when the work is taken away meanwhile.
    """
    settings = session.settings
    await ensure_topics(session.inputs.admin, [PROGRESS, ALERTS])
    await session.inputs.look()
    last = await read_last_progress(settings.servers, session.clock)
    definitions = session.definitions.next_offset
    acting = definitions
    if last is not None and last.activations:
        acting = min(last.activations[-1][0], definitions)
    session.set_rules(rules_of(session.definitions.log.until(acting).current("pattern")))
    committed, begun = await _starts(session, last)
    plan = plan_resumption(committed, last, acting)
    await _estimate_where_unknown(session, plan, last)
    for name, (offset, watermark_ms) in plan.low.items():
        session.partitions.begin(name, offset, watermark_ms)
    for name, offset in begun.items():
        session.partitions.begin(name, offset)
    records = await _rebuild(session, plan, last)
    session.partitions.committed.update(committed)
    session.activations = (
        list(last.activations)
        if last is not None and last.activations
        else [(acting, dict(session.partitions.positions))]
    )
    session.metrics.read_back += records
    await session.inputs.assign(session.partitions.positions)
    await session.tell()
    get_logger(__name__).info(
        "worker.active", partitions=len(session.partitions.positions), read_back=records,
        rules=len(session.rules.plans), live_runs=session.engine.matcher.live_runs,
    )  # fmt: skip


async def _starts(session: Session, last: ProgressRecord | None) -> tuple[Positions, Positions]:
    """Next offsets of the partitions that the rules read.

    Returns: Those that the group has read; those that it begins.
    """
    inputs = session.inputs
    topics = {topic for topic in inputs.partitions if session.rules.filter.reads(topic)}
    bounds = await inputs.bounds(topics)
    known = await session.lease.committed(sorted(bounds)) if bounds else {}
    committed: Positions = {}
    begun: Positions = {}
    latest = last is None and session.settings.start_from == "latest"
    for name, (first, end) in bounds.items():
        at = known.get(name)
        if at is None:
            begun[name] = end if latest else first
        elif at > end:  # the topic was deleted and made anew meanwhile
            begun[name] = first
        else:
            committed[name] = max(at, first)
    return committed, begun


async def _estimate_where_unknown(
    session: Session, plan: Resumption, last: ProgressRecord | None
) -> None:
    """Where no progress record says how far to read back, go by the records' times."""
    told = {} if last is None else last.low
    names = [name for name in plan.committed if name not in told]
    span_ms = session.engine.span_ms()
    span_ms = READ_BACK_MS_MAX if span_ms is None else span_ms
    plan.low.update(await estimate_low(session.inputs, plan.committed, names, span_ms))


async def _rebuild(session: Session, plan: Resumption, last: ProgressRecord | None) -> int:
    """Read back; returns how many records that took."""
    settings, log = session.settings, session.definitions.log
    inputs = session.inputs
    ends = {
        str(partition): end
        for partition, (_, end) in (await inputs.admin.offsets(ALERTS_TOPIC)).items()
    }
    session.trail = AlertTrail(ends)
    since = {} if last is None else {p: at for p, at in last.alerts_low.items() if p in ends}
    alerts = await read_alerts(settings.servers, since, session.clock)
    phases = [(rules_of(log.until(p.definitions).current("pattern")), p) for p in plan.phases]
    plans: dict[str, PatternPlan] = {rule.id: rule for rules, _ in phases for rule in rules.plans}
    for written in alerts:
        cut = cut_of(plans.get(written.alert.pattern or ""), written.alert)
        session.trail.written(written.partition, written.offset, cut)
    cuts = cuts_of(
        [written.alert for written in alerts],
        plans,
        {name: offset for name, (offset, _) in plan.low.items()},
        plan.committed,
    )
    replay = Replay(inputs, session.engine, session.partitions.read_back, cuts, session.goes_on)
    for rules, phase in phases:
        session.set_rules(rules)
        await replay.run(session.partitions.positions, phase.until, settings.batch_records)
    return replay.records
