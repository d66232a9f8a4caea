"""Streams as they are declared: `Stream[T]`, `KeyedStream[K, V]`; each call adds to the graph."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from types import GenericAlias
from typing import (
    TYPE_CHECKING,
    Any,
    Generic,
    Literal,
    Self,
    TypeVar,
    cast,
    get_args,
    get_type_hints,
    overload,
)

from summit.base.errors import Invalid
from summit.base.units import parse_duration_ms
from summit.operators.aggregates import Aggregate, counting, reducing
from summit.operators.batch import Batch
from summit.operators.formats import check_plain, encoder_of, json_encode, packing_of, text_encode
from summit.operators.graph import Graph, Late, Node, Repartition, Sink, Step
from summit.operators.joins import How, IntervalJoin, TableJoin, Within
from summit.operators.operator import Keeper, Operator, Plain
from summit.operators.processes import Process, ProcessKeeper
from summit.operators.windowing import RunningKeeper
from summit.operators.windows import Hops, Sessions

if TYPE_CHECKING:
    from summit.operators.windowed_stream import WindowedStream

T_co = TypeVar("T_co", covariant=True)
K_co = TypeVar("K_co", covariant=True)
V_co = TypeVar("V_co", covariant=True)
U = TypeVar("U")
K = TypeVar("K")
R = TypeVar("R")

Duration = int | str


class Stream(Generic[T_co]):
    """Records on their way, each with a key, a value and an event time.

    Functions take values. With `batch=True` they take a list of values and return one. They must
    not change what they are given: another branch may have the same value.

    Attributes:
        type: What the values are, as far as that is known; `Any` = plain values (what JSON has).
    """

    def __init__(self, graph: Graph, node: Node, type_: Any) -> None:
        self.graph = graph
        self.node = node
        self.type = type_

    # ---- one record at a time, nothing kept ----

    @overload
    def map(
        self, fn: Callable[[T_co], U], *, batch: Literal[False] = ..., name: str | None = ...,
        type: type[U] | None = ...,
    ) -> Stream[U]: ...  # fmt: skip

    @overload
    def map(
        self, fn: Callable[[list[T_co]], list[U]], *, batch: Literal[True],
        name: str | None = ..., type: type[U] | None = ...,
    ) -> Stream[U]: ...  # fmt: skip

    def map(
        self, fn: Any, *, batch: bool = False, name: str | None = None, type: Any = None
    ) -> Stream[Any]:
        """Another value for each.

        Args:
            type: What the function returns, where its annotation does not say it.
        """
        node = self._plain("map", name, _mapper(fn, batch))
        return self._like(node, type or _returned(fn, batch))

    @overload
    def flat_map(
        self, fn: Callable[[T_co], Iterable[U]], *, batch: Literal[False] = ...,
        name: str | None = ..., type: type[U] | None = ...,
    ) -> Stream[U]: ...  # fmt: skip

    @overload
    def flat_map(
        self, fn: Callable[[list[T_co]], list[list[U]]], *, batch: Literal[True],
        name: str | None = ..., type: type[U] | None = ...,
    ) -> Stream[U]: ...  # fmt: skip

    def flat_map(
        self, fn: Any, *, batch: bool = False, name: str | None = None, type: Any = None
    ) -> Stream[Any]:
        """Any number of values in the place of each.

        Args:
            batch: The function returns a list of values for every value.
            type: What the values are, where the function's annotation does not say it.
        """

        def apply(given: Batch) -> Batch:
            values = given.values
            groups = fn(values) if batch else [list(fn(value)) for value in values]
            return given.spread(_as_many(groups, values))

        node = self._plain("flat_map", name, apply)
        return self._like(node, type or _element(_returned(fn, batch)))

    @overload
    def filter(
        self, fn: Callable[[T_co], object], *, batch: Literal[False] = ..., name: str | None = ...
    ) -> Self: ...

    @overload
    def filter(
        self, fn: Callable[[list[T_co]], list[bool]], *, batch: Literal[True],
        name: str | None = ...,
    ) -> Self: ...  # fmt: skip

    def filter(self, fn: Any, *, batch: bool = False, name: str | None = None) -> Self:
        """Only those for which the function returns something true."""

        def apply(given: Batch) -> Batch:
            values = given.values
            return given.select(_as_many(fn(values), values) if batch else list(map(fn, values)))

        return cast("Self", self._like(self._plain("filter", name, apply), self.type))

    def inspect(self, fn: Callable[[T_co], object], *, name: str | None = None) -> Self:
        """The same records, shown to a function. Those of a transaction that fails come again."""

        def apply(given: Batch) -> Batch:
            for value in given.values:
                fn(value)
            return given

        return cast("Self", self._like(self._plain("inspect", name, apply), self.type))

    def merge(self, *others: Self, name: str | None = None) -> Self:
        """The records of this one and of others; in order within each."""
        nodes = (self.node, *(self._of_same_app(other).node for other in others))
        node = self._step("merge", name, nodes, lambda: Plain(_as_it_is))
        same = all(other.type == self.type for other in others)
        return cast("Self", self._like(node, self.type if same else Any))

    # ---- keys ----

    @overload
    def key_by(self) -> KeyedStream[str | None, T_co]: ...

    @overload
    def key_by(
        self, fn: Callable[[T_co], K], *, batch: Literal[False] = ..., name: str | None = ...
    ) -> KeyedStream[K, T_co]: ...

    @overload
    def key_by(
        self, fn: Callable[[list[T_co]], list[K]], *, batch: Literal[True], name: str | None = ...
    ) -> KeyedStream[K, T_co]: ...

    def key_by(
        self, fn: Any = None, *, batch: bool = False, name: str | None = None
    ) -> KeyedStream[Any, T_co]:
        """The same records by key: what comes after sees all records of a key, in order.

        With a function they travel through `_<app>-<name>-repartition` to the task of their key.
        Without one the key is that of the record in its topic, which must have been placed by
        Kafka's rule (murmur2), and nothing travels.

        Args:
            fn: Gives a value's key: text, bytes, a number, a bool, None, or a tuple of those.
        """
        if fn is None:
            return KeyedStream(self.graph, self.node, self.type)
        name = self.graph.name("key_by", name)
        is_any = self.type is Any

        def rekey(given: Batch) -> Batch:
            values = given.values
            keys = _as_many(fn(values), values) if batch else [fn(value) for value in values]
            if is_any:
                check_plain(values, name)
            return given.with_keys(keys)

        packing = packing_of(self.type)
        node = Repartition(name, self.node, rekey, packing, is_any=is_any)
        self.graph.add(node)
        return KeyedStream(self.graph, node, self.type)

    # ---- ends ----

    def to(
        self, topic: str, *, key: Any = None, value: Any = None, name: str | None = None
    ) -> None:
        """Write the records to a topic, under their key, with their event time.

        A topic's retention goes by that time: of old events it keeps no results, unless it is made
        with a longer one beforehand.

        Args:
            key, value: A serializer: one of `summit.serde` or one's own, the name of one (`json`,
                `string`, `bytes`, `msgpack`), or a function. None = keys that are text as they
                are, everything else as JSON.
        """
        encode_key = text_encode if key is None else encoder_of(key, "key", topic)
        encode = json_encode if value is None else encoder_of(value, "value", topic)
        self.graph.add(Sink(self.graph.name("to", name), self.node, topic, encode_key, encode))

    # ---- making nodes ----

    def _like(self, node: Node, type_: Any) -> Stream[Any]:
        return Stream(self.graph, node, type_)

    def _plain(self, kind: str, name: str | None, apply: Callable[[Batch], Batch]) -> Node:
        return self._step(kind, name, (self.node,), lambda: Plain(apply))

    def _step(
        self, kind: str, name: str | None, inputs: tuple[Node, ...],
        make: Callable[[], Operator | Keeper], *, keeps: bool = False,
    ) -> Step:  # fmt: skip
        node = Step(self.graph.name(kind, name), kind, inputs, make, keeps=keeps)
        self.graph.add(node)
        return node

    def _of_same_app(self, other: Stream[Any]) -> Stream[Any]:
        if other.graph is not self.graph:
            raise Invalid("streams.other_app", name=other.node.name)
        return other


class KeyedStream(Stream[V_co], Generic[K_co, V_co]):
    """A stream whose records of one key are in one task, in order. Keys stay with the values."""

    @overload
    def map(
        self, fn: Callable[[V_co], U], *, batch: Literal[False] = ...,
        name: str | None = ..., type: type[U] | None = ...,
    ) -> KeyedStream[K_co, U]: ...  # fmt: skip

    @overload
    def map(
        self, fn: Callable[[list[V_co]], list[U]], *, batch: Literal[True],
        name: str | None = ..., type: type[U] | None = ...,
    ) -> KeyedStream[K_co, U]: ...  # fmt: skip

    def map(self, fn: Any, **how: Any) -> KeyedStream[K_co, Any]:
        """See `Stream.map`; the key stays."""
        return cast("KeyedStream[K_co, Any]", super().map(fn, **how))

    @overload
    def flat_map(
        self, fn: Callable[[V_co], Iterable[U]], *, batch: Literal[False] = ...,
        name: str | None = ..., type: type[U] | None = ...,
    ) -> KeyedStream[K_co, U]: ...  # fmt: skip

    @overload
    def flat_map(
        self, fn: Callable[[list[V_co]], list[list[U]]], *, batch: Literal[True],
        name: str | None = ..., type: type[U] | None = ...,
    ) -> KeyedStream[K_co, U]: ...  # fmt: skip

    def flat_map(self, fn: Any, **how: Any) -> KeyedStream[K_co, Any]:
        """See `Stream.flat_map`; the key stays."""
        return cast("KeyedStream[K_co, Any]", super().flat_map(fn, **how))

    def process(
        self, make: Callable[[], Process[K_co, V_co, R]], *, ttl: Duration | None = None,
        name: str | None = None, type: type[R] | None = None,
    ) -> KeyedStream[K_co, R]:  # fmt: skip
        """One's own operator with state and timers.

        Args:
            make: A `Process` class, or a function that makes one.
            ttl: Forget a key's state and timers so long after its last record or timer.
            type: What it emits; None = plain values.
        """
        ttl_ms = None if ttl is None else parse_duration_ms(ttl)
        node = self._step(
            "process", name, (self.node,), lambda: ProcessKeeper(make, ttl_ms), keeps=True
        )
        return KeyedStream(self.graph, node, type or Any)

    def window(
        self, windows: Hops | Sessions, *, updates: bool = False, late_to: str | None = None
    ) -> WindowedStream[K_co, V_co]:
        """The records of each key by windows of event time, for an aggregate.

        Args:
            windows: `tumbling("1m")`, `hopping("1m", every="10s")` or `session("30s")`.
            updates: Tell a window's result after every record, not once when the window is over.
            late_to: A topic for records that come too late for all of their windows; None = they
                are only counted.
        """
        from summit.operators.windowed_stream import WindowedStream

        return WindowedStream(self, windows, updates=updates, late_to=late_to)

    @overload
    def join(
        self, other: KeyedStream[K_co, U], within: tuple[Duration, Duration], *,
        how: Literal["inner"] = ..., name: str | None = ..., late_to: str | None = ...,
    ) -> KeyedStream[K_co, tuple[V_co, U]]: ...  # fmt: skip

    @overload
    def join(
        self, other: KeyedStream[K_co, U], within: tuple[Duration, Duration], *,
        how: Literal["left"], name: str | None = ..., late_to: str | None = ...,
    ) -> KeyedStream[K_co, tuple[V_co, U | None]]: ...  # fmt: skip

    @overload
    def join(
        self, other: KeyedStream[K_co, U], within: tuple[Duration, Duration], *,
        how: Literal["outer"], name: str | None = ..., late_to: str | None = ...,
    ) -> KeyedStream[K_co, tuple[V_co | None, U | None]]: ...  # fmt: skip

    def join(
        self, other: KeyedStream[K_co, Any], within: tuple[Duration, Duration], *,
        how: How = "inner", name: str | None = None, late_to: str | None = None,
    ) -> KeyedStream[K_co, Any]:  # fmt: skip
        """Pairs of this stream's records and the other's, of one key and near in event time.

        Args:
            within: From where to where the other's record may lie, seen from this one's, both
                inclusive: `("-5s", "5s")`.
            how: `left`: a record of this stream without a partner comes with None once none can
                come; `outer`: those of both.
            late_to: A topic for late records of either; None = they are only counted.
        """
        first, last = map(_signed_ms, within)
        if first > last:
            reason = f"within {within}: the first is after the last"
            raise Invalid("config.invalid", reason=reason, pointer="")
        sides = (self.node, self._of_same_app(other).node)
        types = [self.type, other.type]
        packings = (packing_of(self.type), packing_of(other.type))
        node = self._step(
            "join", name, sides,
            lambda: IntervalJoin(Within(first, last), how, _pair, packings), keeps=True,
        )  # fmt: skip
        self._late_to(node, late_to)
        if how == "outer":
            types[0] = _or_none(types[0])
        if how != "inner":
            types[1] = _or_none(types[1])
        return KeyedStream(self.graph, node, _pair_of(*types))

    @overload
    def join_table(
        self, table: Table[K_co, U], *, how: Literal["inner"] = ..., name: str | None = ...
    ) -> KeyedStream[K_co, tuple[V_co, U]]: ...

    @overload
    def join_table(
        self, table: Table[K_co, U], *, how: Literal["left"], name: str | None = ...
    ) -> KeyedStream[K_co, tuple[V_co, U | None]]: ...

    def join_table(
        self, table: Table[K_co, Any], *, how: Literal["inner", "left"] = "inner",
        name: str | None = None,
    ) -> KeyedStream[K_co, Any]:  # fmt: skip
        """Each record with what the table says of its key when the record is processed.

        A topic that is read as a table is read to its end of then before the first record.

        Args:
            how: `left`: records of keys that the table has not come with None.
        """
        packing, is_left = packing_of(table.type), how == "left"
        node = self._step(
            "join_table", name, (self.node, self._of_same_app(table).node),
            lambda: TableJoin(_pair, packing, is_left=is_left), keeps=True,
        )  # fmt: skip
        right = _or_none(table.type) if is_left else table.type
        return KeyedStream(self.graph, node, _pair_of(self.type, right))

    def table(self) -> Table[K_co, V_co]:
        """The last value of each key, as a table to join with; None takes a key out."""
        return Table(self.graph, self.node, self.type)

    def aggregate(
        self, initial: Callable[[], Any], add: Callable[[Any, V_co], Any],
        result: Callable[[Any], R] | None = None, *, type: type[R] | None = None,
        name: str | None = None,
    ) -> KeyedStream[K_co, R]:  # fmt: skip
        """What all records of a key so far come to, after each of them.

        Args:
            initial: Makes an accumulator, of plain values.
            add: Gives the accumulator with a value more.
            result: Gives what comes out; None = the accumulator, which `add` then must not change.
            type: What comes out; None = plain values.
        """
        made = Aggregate(initial, add, None, result or _same, packing_of(Any), type or Any)
        return self._running("aggregate", name, made)

    def count(self, *, name: str | None = None) -> KeyedStream[K_co, int]:
        """How many records of the key there were so far, after each of them."""
        return self._running("count", name, counting())

    def reduce(
        self, combine: Callable[[V_co, V_co], V_co], *, name: str | None = None
    ) -> KeyedStream[K_co, V_co]:
        """The first value of a key, then what `combine` makes of that and each further one."""
        return self._running("reduce", name, reducing(self.type, combine))

    def _running(self, kind: str, name: str | None, made: Aggregate) -> KeyedStream[K_co, Any]:
        node = self._step(kind, name, (self.node,), lambda: RunningKeeper(made), keeps=True)
        return KeyedStream(self.graph, node, made.type)

    def _late_to(self, node: Step, topic: str | None) -> None:
        if topic is not None:
            late = Late(self.graph.name("late", None), node)
            self.graph.add(late)
            Stream(self.graph, late, Any).to(topic)

    def _like(self, node: Node, type_: Any) -> KeyedStream[K_co, Any]:
        return KeyedStream(self.graph, node, type_)


class Table(Stream[V_co], Generic[K_co, V_co]):
    """The last value of each key."""


def _mapper(fn: Any, batch: bool) -> Callable[[Batch], Batch]:
    if batch:
        return lambda given: given.with_values(_as_many(fn(given.values), given.values))
    return lambda given: given.with_values([fn(value) for value in given.values])


def _as_many(found: Any, values: list[Any]) -> list[Any]:
    """What a batch function returned, if it is a list as long as what it was given."""
    if not isinstance(found, list) or len(found) != len(values):
        shown = f"{len(found)} of them" if isinstance(found, list) else type(found).__name__
        raise ValueError(f"a batch function must return a list of {len(values)}, not {shown}")
    return found


def _as_it_is(batch: Batch) -> Batch:
    return batch


def _returned(fn: Any, batch: bool) -> Any:
    """What a function says that it returns, or the class that it is; `Any` where it is silent."""
    if isinstance(fn, type):
        return fn
    try:
        found = get_type_hints(fn).get("return", Any)
    except (NameError, TypeError, AttributeError):
        return Any
    return _element(found) if batch else _known(found)


def _element(type_: Any) -> Any:
    args = get_args(type_)
    return _known(args[0]) if len(args) == 1 else Any


def _or_none(type_: Any) -> Any:
    return Any if type_ is Any else type_ | None


def _pair_of(left: Any, right: Any) -> Any:
    return GenericAlias(tuple, (left, right))


def _pair(left: Any, right: Any) -> tuple[Any, Any]:
    return left, right


def _same(value: Any) -> Any:
    return value


def _signed_ms(duration: Duration) -> int:
    """Milliseconds of a duration that may point back: `-5s`."""
    if isinstance(duration, int):
        return duration
    if duration.lstrip().startswith("-"):
        return -parse_duration_ms(duration.lstrip()[1:])
    return parse_duration_ms(duration)


def _known(type_: Any) -> Any:
    return Any if type_ is None or isinstance(type_, TypeVar) else type_
