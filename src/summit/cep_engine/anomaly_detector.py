"""`AnomalyDetector`: the guide's look at one field of events, each value against the others."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterable
from typing import Any, Final, Literal

from summit.base.emitter import Emitter, Payload
from summit.base.errors import Invalid, SummitError
from summit.events.event import decode_value, event_bytes
from summit.events.fields import compile_path, parse_path
from summit.keyed.keys import Key, key_values, make_key

VALUES_MIN: Final = 10
NOT_ENOUGH: Final = "not enough data"


class AnomalousEvents(list[dict[str, Any]]):
    """The anomalous events of a call, in its order, and what else is to be said.

    `reason` says why some values were not judged (`not enough data`); `unjudged` counts them;
    `skipped` counts events without a number in the field, or without the values of `group_by`.
    """

    reason: str | None = None
    unjudged: int = 0
    skipped: int = 0


class AnomalyDetector(Emitter):
    """Finds events whose value of a field is far from the others; one loop's, in memory.

    What others: those of the calls before, at most `window` (the baseline), and those of the same
    call. A value is never part of its own measure: (v - their mean) / (their sample standard
    deviation * sqrt(1 + 1/m)), m = how many they are. Where they are all equal a small floor stands
    for the deviation, so that a jump is found and its score is finite. With fewer than 10 values
    nothing is judged, which the result says.

    What is flagged does not enter the baseline, unless `learn_anomalies`: so a lasting new level
    stays anomalous.

    Needs the extra `analytics`. For many methods, seasons and bounded state see
    `summit.real_time_analytics`; for anomalies of windows in workers, queries.

    Events told: `anomaly:detected` {event, z_score, field, value, expected, severity, key};
    `anomaly:not_enough_data` {field, count, needed}; `event:rejected` {code, message, event}.

    Args:
        threshold: From how many standard deviations on, exclusive.
        window: How many values the baseline keeps, for each field and group.
        group_by: Field paths; each of their values has a baseline of its own.
        groups_max: Baselines kept; the one not used for longest leaves (`stats["evicted"]`).
        learn_anomalies: Let anomalous values enter the baseline, so that a new level is learnt.
        method: `zscore`; or `mad`, against the median, where several outliers may hide each other.
    """

    def __init__(
        self,
        *,
        threshold: float = 3.0,
        window: int = 1_000,
        group_by: Iterable[str] = (),
        groups_max: int = 10_000,
        learn_anomalies: bool = False,
        method: Literal["zscore", "mad"] = "zscore",
    ) -> None:
        super().__init__()
        from summit.kernels import AnomalyDetectionConfig, find_anomalies  # the extra, when used

        for name, value, least in (
            ("window", window, VALUES_MIN), ("groupsMax", groups_max, 1)
        ):  # fmt: skip
            if value < least:
                reason = f"must be at least {least}"
                raise Invalid("config.invalid", reason=reason, pointer=f"/{name}")
        self._find = find_anomalies
        self._config = AnomalyDetectionConfig(method=method, threshold=threshold)
        self._config.check()
        self._window, self._groups_max = window, groups_max
        self._learns = learn_anomalies
        self._group_by = [compile_path(parse_path(path)) for path in group_by]
        self._baselines: OrderedDict[tuple[str, Key], deque[float]] = OrderedDict()
        self._counts = {"values": 0, "anomalies": 0, "skipped": 0, "unjudged": 0, "evicted": 0}

    async def detect_anomalies(self, events: Iterable[Any], field: str) -> AnomalousEvents:
        """Judge the values of a field, each against the others of its group.

        A bad event raises nothing: it is told by `event:rejected`.

        Args:
            events: Mappings with the names of the wire, `Event`s, JSON texts or bytes, or records
                whose value is JSON.
            field: A field path; what is no finite number is skipped and counted.
        Raises: Invalid("path.invalid").
        """
        read = compile_path(parse_path(field))
        found = AnomalousEvents()
        groups: dict[Key, list[tuple[int, float, dict[str, Any]]]] = {}
        for number, given in enumerate(events):
            event = self._event(given)
            if event is None:
                continue
            key = make_key([path(event) for path in self._group_by])
            value = _number(read(event))
            if key is None or value is None:
                found.skipped += 1
            else:
                groups.setdefault(key, []).append((number, value, event))
        flagged: list[tuple[int, dict[str, Any], Payload]] = []
        for key, given_values in groups.items():
            flagged += self._judge(field, key, given_values, found)
        for _, event, payload in sorted(flagged, key=lambda each: each[0]):
            found.append(event)
            self.emit("anomaly:detected", payload)
        for name, count in (
            ("values", sum(map(len, groups.values()))), ("anomalies", len(found)),
            ("skipped", found.skipped), ("unjudged", found.unjudged),
        ):  # fmt: skip
            self._counts[name] += count
        return found

    @property
    def stats(self) -> dict[str, int]:
        """Counters since the detector was made, and `baselines` kept now."""
        return {**self._counts, "baselines": len(self._baselines)}

    def reset(self) -> None:
        """Forget all baselines."""
        self._baselines.clear()

    def _event(self, given: Any) -> dict[str, Any] | None:
        try:
            value = decode_value(event_bytes(given))
            if type(value) is not dict:
                raise Invalid("event.not_object", kind=f"a {type(value).__name__}")
        except SummitError as error:
            payload = Payload(code=error.code, message=str(error), event=given)
            self.emit("event:rejected", payload)
            return None
        return value

    def _judge(
        self,
        field: str,
        key: Key,
        given: list[tuple[int, float, dict[str, Any]]],
        found: AnomalousEvents,
    ) -> list[tuple[int, dict[str, Any], Payload]]:
        """The anomalous ones of a group, with what is told of each; the others are learnt."""
        baseline = self._baseline(field, key)
        past = len(baseline)
        values = [*baseline, *(value for _, value, _ in given)]
        flagged: dict[int, Any] = {}
        if len(values) < VALUES_MIN:
            found.reason = NOT_ENOUGH
            found.unjudged += len(given)
            payload = Payload(field=field, count=len(values), needed=VALUES_MIN)
            self.emit("anomaly:not_enough_data", payload)
        else:
            points = [{"timestamp": n, "value": value} for n, value in enumerate(values)]
            judged = self._find(points, self._config)
            flagged = {int(one.timestamp): one for one in judged if one.timestamp >= past}
        told = []
        for place, (number, value, event) in enumerate(given, past):
            one = flagged.get(place)
            if one is None or self._learns:
                baseline.append(value)
            if one is not None:
                payload = Payload(
                    event=event, z_score=one.deviation, field=field, value=one.value,
                    expected=one.expected, severity=one.severity, key=list(key_values(key)),
                )  # fmt: skip
                told.append((number, event, payload))
        return told

    def _baseline(self, field: str, key: Key) -> deque[float]:
        name = (field, key)
        baseline = self._baselines.get(name)
        if baseline is None:
            baseline = self._baselines[name] = deque(maxlen=self._window)
            if len(self._baselines) > self._groups_max:
                self._baselines.popitem(last=False)
                self._counts["evicted"] += 1
        else:
            self._baselines.move_to_end(name)
        return baseline


def _number(value: Any) -> float | None:
    """A finite number, nothing else: no text, no truth."""
    if type(value) in (int, float) and abs(value) <= _NUMBER_MAX:
        return float(value)
    return None


_NUMBER_MAX: Final = 1e150  # beyond, squares are infinite
