"""The promises that can only be checked when a run is over.

What can be seen at once (`History`) is: a record that changes, a doubled one, an offset that goes
back. Here: what is missing, what is out of order, what is torn, who read what was aborted, and
which commit of a group was lost.
"""

from __future__ import annotations

from collections import defaultdict

from tests.sim.actors.auditor import Auditor, durable_topics
from tests.sim.actors.history import (
    Batch,
    Commit,
    History,
    Lookup,
    Pass,
    Place,
    Transaction,
    texts,
)
from tests.sim.world.scheduler import Violation


def check_all(history: History, auditor: Auditor) -> None:
    """Raise Violation for the first broken promise."""
    for (place, is_committed), found in auditor.contents.items():
        if not is_committed:
            _check_acknowledged(history, place, found)
            _check_order(history, place, found)
            _check_whole(history, place, found)
    outcomes = _check_transactions(history, auditor)
    for (place, is_committed), found in auditor.contents.items():
        if place.topic.is_compacted and is_committed:
            _check_table(history, place, found, outcomes)
    for each in history.passes:
        _check_pass(history, each, outcomes)
    for where, lookups in history.lookups.items():
        _check_lookups(where, history.commits.get(where, []), lookups)


def _name(place: Place) -> str:
    return f"{place.topic.name}-{place.index}"


# ---- what is there ----


def _check_acknowledged(history: History, place: Place, found: list[tuple[int, bytes]]) -> None:
    """Whatever was acknowledged is there, unless it was to go."""
    if place.topic.is_compacted:
        return
    names = dict(found)
    for batch in history.batches:
        if batch.place != (place.topic.topic_id, place.index) or batch.state != "acked":
            continue
        if batch.base_offset < 0:
            missing = [name for name in batch.names if name not in place.offset_of]
        else:
            missing = [
                name
                for i, name in enumerate(batch.names)
                if batch.base_offset + i >= place.start and names.get(batch.base_offset + i) != name
            ]
        if missing:
            raise Violation(f"{_name(place)}: acknowledged and lost: {texts(missing)}")


def _writers(
    history: History, found: list[tuple[int, bytes]]
) -> dict[str, list[tuple[int, Batch]]]:
    """Who has written what is there: (offset, batch) of each first record, in offset order."""
    writers: dict[str, list[tuple[int, Batch]]] = defaultdict(list)
    seen: set[int] = set()
    for offset, name in found:
        batch = history.batch_of(name)
        if batch.is_once and id(batch) not in seen:
            seen.add(id(batch))
            writers[batch.writer].append((offset, batch))
    return writers


def _check_order(history: History, place: Place, found: list[tuple[int, bytes]]) -> None:
    """What a producer sent is there in its order, and without holes."""
    for writer, batches in _writers(history, found).items():
        orders = [batch.order for _, batch in batches]
        if orders != sorted(orders):
            raise Violation(f"{_name(place)}: reordered: {writer} {texts(orders)}")
        if place.topic.is_trimmed or place.topic.is_compacted or not orders:
            continue
        if batches[0][1].transaction is not None:
            continue  # the batches of a transaction that was given up may be missing
        missing = set(range(1, orders[-1] + 1)).difference(orders)
        if missing:
            raise Violation(f"{_name(place)}: holes: {writer} misses {texts(sorted(missing))}")


def _check_whole(history: History, place: Place, found: list[tuple[int, bytes]]) -> None:
    """A batch is there with all of its records, one behind the other."""
    if place.topic.is_compacted:
        return
    at = dict(found)
    offset_of = {name: offset for offset, name in found}
    for offset, name in found:
        batch = history.batch_of(name)
        base = offset - batch.names.index(name)
        if not batch.is_once:
            continue
        for i, other in enumerate(batch.names):
            if base + i >= place.start and at.get(base + i) != other:
                where = offset_of.get(other)
                raise Violation(f"{_name(place)}: torn: {other!r} is at {where}, not {base + i}")


def _check_table(
    history: History,
    place: Place,
    found: list[tuple[int, bytes]],
    outcomes: dict[Transaction, bool],
) -> None:
    """Compaction changes nothing of what a log comes to: the last record of a key stays."""
    state: dict[bytes | None, int] = {}
    for offset, name in found:
        batch = history.batch_of(name)
        state[batch.keys[batch.names.index(name)]] = offset
    latest: dict[bytes | None, tuple[int, bool]] = {}
    for offset in sorted(place.known):
        name = place.known[offset]
        batch = history.batch_of(name)
        if batch.transaction is not None and not outcomes[batch.transaction]:
            continue
        i = batch.names.index(name)
        latest[batch.keys[i]] = (offset, batch.values[i] is None)
    for key, (offset, is_tombstone) in latest.items():
        if state.get(key, -1) < offset and not (is_tombstone and key not in state):
            raise Violation(
                f"{_name(place)}: compaction lost {key!r}@{offset}, left is {state.get(key)}"
            )


# ---- transactions ----


def _check_transactions(history: History, auditor: Auditor) -> dict[Transaction, bool]:
    """Whole or not at all. Returns: whether each was committed."""
    visible: dict[Transaction, set[bytes]] = defaultdict(set)
    for (_, is_committed), found in auditor.contents.items():
        if is_committed:
            for _, name in found:
                transaction = history.batch_of(name).transaction
                if transaction is not None:
                    visible[transaction].add(name)
    outcomes: dict[Transaction, bool] = {}
    for transaction in history.transactions:
        seen = visible[transaction]
        who = f"transaction {transaction.ordinal} of {transaction.name}"
        expected = {
            name
            for batch in transaction.batches
            if batch.state == "acked"
            for i, name in enumerate(batch.names)
            if not _may_be_gone(history, batch, i)
        }
        is_whole = transaction.outcome == "committed" or (transaction.may_commit and bool(seen))
        if is_whole and not expected <= seen:
            missing = texts(expected - seen)
            raise Violation(f"{who} ({transaction.outcome}) is torn or lost: {missing}")
        if seen and not transaction.may_commit:
            raise Violation(f"{who} was never committed and is seen: {texts(seen)}")
        if seen and transaction.outcome == "aborted":
            raise Violation(f"{who} was aborted and is seen: {texts(seen)}")
        outcomes[transaction] = bool(seen) or transaction.outcome == "committed"
    _check_offsets(history, auditor, outcomes)
    return outcomes


def _may_be_gone(history: History, batch: Batch, i: int) -> bool:
    place = history.places[batch.place]
    return batch.topic.is_compacted or batch.base_offset + i < place.start


def _check_offsets(history: History, auditor: Auditor, outcomes: dict[Transaction, bool]) -> None:
    """The offset of a group goes with the data of the transactions that committed it."""
    for (group_id, topic, index), offset in auditor.offsets.items():
        of_group = [t for t in history.transactions if t.group_id == group_id]
        if not of_group or index:
            continue
        # Of one without records that stay nothing tells whether it was committed.
        certain = [t for t in of_group if outcomes[t]]
        last = max((t.ordinal for t in certain), default=-1)
        if offset < last:
            raise Violation(f"{group_id}: offset {offset} of {topic} is older than {last}")
        owner = next((t for t in of_group if t.ordinal == offset), None)
        if offset >= 0 and owner is None:
            raise Violation(f"{group_id}: offset {offset} of {topic} was never committed")
        if owner is not None and not outcomes[owner] and _leaves_traces(history, owner):
            raise Violation(f"{group_id}: offset {offset} of {topic} is of an aborted transaction")


def _leaves_traces(history: History, transaction: Transaction) -> bool:
    return any(
        not _may_be_gone(history, batch, i)
        for batch in transaction.batches
        if batch.state == "acked"
        for i in range(len(batch.names))
    )


# ---- readers ----


def _check_pass(history: History, each: Pass, outcomes: dict[Transaction, bool]) -> None:
    """A reader gets every record that there is for it, and none that there is not."""
    place = each.place
    given = dict(each.names)
    for offset in range(each.first, each.stop):
        name = place.known.get(offset)
        if name is None:
            continue
        transaction = history.batch_of(name).transaction
        is_for_it = not each.is_committed or transaction is None or outcomes[transaction]
        if offset in given and not is_for_it:
            raise Violation(f"{_name(place)}@{offset}: {each.reader} read {name!r}, aborted")
        if offset not in given and is_for_it and not place.topic.is_compacted:
            raise Violation(f"{_name(place)}@{offset}: {each.reader} did not get {name!r}")


# ---- groups ----


def _check_lookups(
    where: tuple[str, str, int], commits: list[Commit], lookups: list[Lookup]
) -> None:
    """Each look-up gives a commit that no later one had replaced by then."""
    if not commits:
        _check_growing(where, lookups)  # of transactions: the rest is checked with their data
        return
    by_text = {commit.text: commit for commit in commits}
    for lookup in sorted(lookups, key=lambda each: each.sent_us):
        before = [c for c in commits if c.answered_us < lookup.sent_us]
        last_sent_us = max((c.sent_us for c in before), default=-1)
        if lookup.offset < 0:
            if before:
                raise Violation(f"{where}: {lookup.reader} found nothing: {len(before)} are lost")
            continue
        found = by_text.get(lookup.text)
        if found is None or found.offset != lookup.offset or found.is_refused:
            raise Violation(f"{where}: {lookup.reader} found {lookup.offset} {lookup.text!r}")
        if found.sent_us > lookup.answered_us:
            raise Violation(f"{where}: {lookup.text!r} was found before it was sent")
        if found.answered_us < last_sent_us:
            raise Violation(f"{where}: {lookup.reader} found {lookup.text!r}: a later one is lost")
    _check_pairs(where, by_text, lookups)


def _check_pairs(
    where: tuple[str, str, int], by_text: dict[str, Commit], lookups: list[Lookup]
) -> None:
    """Of two look-ups one after the other, the later does not see what was replaced before."""
    seen = sorted((each for each in lookups if each.offset >= 0), key=lambda e: e.answered_us)
    for later in seen:
        found = by_text[later.text]
        for earlier in seen:
            if earlier.answered_us >= later.sent_us:
                break
            if found.answered_us < by_text[earlier.text].sent_us:
                raise Violation(
                    f"{where}: {later.reader} found {later.text!r} after {earlier.text!r}"
                )


def _check_growing(where: tuple[str, str, int], lookups: list[Lookup]) -> None:
    """What transactions commit here only grows."""
    for later in lookups:
        for earlier in lookups:
            if earlier.answered_us < later.sent_us and earlier.offset > later.offset:
                raise Violation(
                    f"{where}: {later.reader} found {later.offset} after {earlier.offset}"
                )


def check_topics(history: History, auditor: Auditor, gone: set[object]) -> None:
    """Topics are there or not, as was answered."""
    back = [name for topic_id, (name, _) in auditor.topics.items() if topic_id in gone]
    if back:
        raise Violation(f"deleted topics are back: {texts(back)}")
    for topic in durable_topics(history):
        found = auditor.topics.get(topic.topic_id)
        if found is None or found[1] < topic.partition_count:
            raise Violation(
                f"topic {topic.name} is {found}, not {topic.partition_count} partitions"
            )
