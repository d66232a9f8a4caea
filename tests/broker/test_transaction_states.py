"""The transaction state machine as tables: what each request may do in each state."""

from __future__ import annotations

import pytest

from summit.broker.groups.offsets import Committed
from summit.broker.transactions import stored
from summit.broker.transactions.transaction import (
    EPOCH_MAX,
    NOBODY,
    Action,
    Decision,
    State,
    Transaction,
)
from summit.protocol import codes

ME, BEFORE, STRANGER = (7, 3), (7, 2), (8, 3)
OK = codes.NONE
AGAIN = codes.CONCURRENT_TRANSACTIONS
FENCED = codes.PRODUCER_FENCED
BAD_STATE = codes.INVALID_TXN_STATE


def in_state(state: State, **fields: object) -> Transaction:
    found = Transaction("t", *ME, 1000, state=state, previous=BEFORE)
    if state in (State.PREPARE_COMMIT, State.PREPARE_ABORT):
        found.decision = Decision(state is State.PREPARE_COMMIT, 7, 3, {}, {}, 0)
    for name, value in fields.items():
        setattr(found, name, value)
    return found


@pytest.mark.parametrize(
    ("state", "who", "verdict"),
    [
        (State.EMPTY, NOBODY, (OK, Action.RAISE_EPOCH)),
        (State.EMPTY, ME, (OK, Action.RAISE_EPOCH)),
        (State.EMPTY, BEFORE, (OK, Action.NOTHING)),
        (State.EMPTY, STRANGER, (FENCED, Action.NOTHING)),
        (State.COMPLETE_COMMIT, NOBODY, (OK, Action.RAISE_EPOCH)),
        (State.COMPLETE_ABORT, BEFORE, (OK, Action.NOTHING)),
        (State.ONGOING, NOBODY, (OK, Action.ABORT)),
        (State.ONGOING, ME, (OK, Action.ABORT)),
        (State.ONGOING, BEFORE, (FENCED, Action.NOTHING)),
        (State.PREPARE_COMMIT, NOBODY, (AGAIN, Action.NOTHING)),
        (State.PREPARE_ABORT, ME, (AGAIN, Action.NOTHING)),
    ],
)
def test_init(state: State, who: tuple[int, int], verdict: tuple[int, Action]) -> None:
    assert in_state(state).check_init(who) == verdict


def test_init_when_blocked_or_used_up() -> None:
    assert in_state(State.EMPTY, is_busy=True).check_init(NOBODY).error == AGAIN
    assert in_state(State.EMPTY, owes_markers=True).check_init(NOBODY).error == AGAIN
    assert in_state(State.EMPTY, epoch=EPOCH_MAX - 1).check_init(NOBODY).action is Action.NEW_ID


@pytest.mark.parametrize(
    ("state", "who", "error"),
    [
        (State.EMPTY, ME, OK),
        (State.ONGOING, ME, OK),
        (State.COMPLETE_COMMIT, ME, OK),
        (State.PREPARE_COMMIT, ME, AGAIN),
        (State.ONGOING, BEFORE, FENCED),
        (State.ONGOING, (7, 4), FENCED),
        (State.ONGOING, STRANGER, codes.INVALID_PRODUCER_ID_MAPPING),
    ],
)
def test_add(state: State, who: tuple[int, int], error: int) -> None:
    assert in_state(state).check_add(who).error == error


DECIDE = (OK, Action.DECIDE)


@pytest.mark.parametrize(
    ("state", "who", "is_commit", "older", "newer"),
    [
        (State.ONGOING, ME, True, DECIDE, DECIDE),
        (State.ONGOING, ME, False, DECIDE, DECIDE),
        (State.EMPTY, ME, True, BAD_STATE, BAD_STATE),
        (State.EMPTY, ME, False, BAD_STATE, DECIDE),
        (State.COMPLETE_COMMIT, ME, True, OK, BAD_STATE),
        (State.COMPLETE_COMMIT, ME, False, BAD_STATE, DECIDE),
        (State.COMPLETE_ABORT, ME, True, BAD_STATE, BAD_STATE),
        (State.COMPLETE_ABORT, ME, False, OK, DECIDE),
        (State.PREPARE_COMMIT, ME, True, AGAIN, AGAIN),
        (State.PREPARE_COMMIT, ME, False, BAD_STATE, BAD_STATE),
        (State.PREPARE_ABORT, ME, False, AGAIN, AGAIN),
        (State.COMPLETE_COMMIT, BEFORE, True, FENCED, OK),
        (State.COMPLETE_COMMIT, BEFORE, False, FENCED, BAD_STATE),
        (State.COMPLETE_ABORT, BEFORE, False, FENCED, OK),
        (State.PREPARE_COMMIT, BEFORE, True, FENCED, AGAIN),
        (State.ONGOING, BEFORE, True, FENCED, FENCED),
        (State.EMPTY, BEFORE, True, FENCED, FENCED),
        (State.ONGOING, STRANGER, True, codes.INVALID_PRODUCER_ID_MAPPING, None),
    ],
)
def test_end(state: State, who: tuple[int, int], is_commit: bool, older: object, newer: object):  # type: ignore[no-untyped-def]
    for raises_epoch, want in ((False, older), (True, newer if newer is not None else older)):
        error, action = in_state(state).check_end(
            who, is_commit=is_commit, raises_epoch=raises_epoch
        )
        got = (error, action) if action is Action.DECIDE else error
        assert got == want, f"raises_epoch={raises_epoch}"


def test_a_blocked_transaction_is_not_ended() -> None:
    found = in_state(State.ONGOING, is_busy=True)
    assert found.check_end(ME, is_commit=True, raises_epoch=False).error == AGAIN


@pytest.mark.parametrize("state", list(State))
def test_stored_and_back(state: State) -> None:
    pending = {"g": {("in", 0): Committed(5, -1, "m", 9)}, "announced": {}}
    found = in_state(state, partitions={("a", 1), ("b", 0)}, offsets=pending, started_ms=4)
    if found.decision is not None:
        found.decision = found.decision._replace(ends={("a", 1): 12}, offsets=pending)
    assert stored.decode(stored.encode_key("t"), stored.encode(found)) == found
