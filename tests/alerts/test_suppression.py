"""Suppression: half-open windows from the alert that stands, bounded, saved by key."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from summit.alerts import suppression as module
from summit.alerts.suppression import Standing, Suppression
from summit.base.errors import Corrupt

FOR_MS = 100


def take(held: Suppression[str], key: str, values: str, at_ms: int, name: str) -> str | None:
    """One alert; the id of that which stands for it, None when it fires."""
    standing = held.standing("r", key, values, at_ms)
    if standing is not None:
        return standing.alert_id
    held.stand("r", key, values, Standing(name, at_ms, at_ms + FOR_MS))
    return None


def test_the_window_is_half_open_and_begins_anew() -> None:
    held: Suppression[str] = Suppression()
    found = [take(held, "k", "v", at, str(at)) for at in (0, 1, 99, 100, 199, 200)]
    assert found == [None, "0", "0", None, "100", None]


def test_other_values_keys_and_rules_are_others() -> None:
    held: Suppression[str] = Suppression()
    assert take(held, "k", "v", 0, "a") is None
    assert take(held, "k", "w", 0, "b") is None
    assert take(held, "l", "v", 0, "c") is None
    assert held.standing("other", "k", "v", 0) is None


def test_what_is_far_older_fires() -> None:
    held: Suppression[str] = Suppression()
    take(held, "k", "v", 1_000, "a")
    assert take(held, "k", "v", 901, "b") == "a"
    assert take(held, "k", "v", 900, "c") is None


steps = st.lists(
    st.tuples(st.sampled_from("kl"), st.sampled_from("vw"), st.integers(0, 60), st.booleans()),
    max_size=40,
)


@given(steps=steps, saved=st.sets(st.integers(0, 40)))
@settings(max_examples=300, deadline=None)
def test_tidying_and_saving_change_nothing(steps: list[Any], saved: set[int]) -> None:
    plain: dict[tuple[str, str], tuple[int, str]] = {}
    held: Suppression[str] = Suppression()
    disk: dict[tuple[str, str], bytes] = {}
    now = 0
    for number, (key, values, later, tidy) in enumerate(steps):
        now += later
        if tidy:
            held.tidy(now)
        if number in saved:  # what a restart does: all that was dirty is saved, then read again
            for name in held.dirty:
                data = held.dump(*name)
                if data is None:
                    disk.pop(name, None)
                else:
                    disk[name] = data
            held = Suppression()
            for name, data in disk.items():
                held.load(*name, data)
        since = plain.get((key, values))
        stands = since is not None and now < since[0] + FOR_MS
        if not stands:
            plain[key, values] = since = (now, str(number))
        assert since is not None
        assert take(held, key, values, now, str(number)) == (since[1] if stands else None)
    held.tidy(now + FOR_MS)
    assert len(held) == 0
    assert all(held.dump(*name) is None for name in disk)
    assert {name for name in disk if name not in held.dirty} == set()


def test_what_is_too_much_is_forgotten_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SUPPRESS_KEYS_MAX", 2)
    held: Suppression[str] = Suppression(values_max=2)
    for values in ("u", "v", "w"):
        take(held, "k", values, 0, values)
    assert held.standing("r", "k", "u", 0) is None
    assert held.standing("r", "k", "w", 0) is not None
    for key in ("l", "m"):
        take(held, key, "v", 0, key)
    assert held.evicted == 1 + 2
    assert held.dump("r", "k") is None
    assert ("r", "k") in held.dirty


def test_rules_and_keys_that_go() -> None:
    held: Suppression[str] = Suppression()
    for key in ("k", "l"):
        take(held, key, "v", 0, key)
    held.dirty.clear()
    held.drop(lambda key: key == "l")  # somebody else has it now
    assert (list(held.names()), held.dirty) == ([("r", "k")], set())
    held.keep_rules({"r"})
    assert len(held) == 1
    held.keep_rules({"s"})
    assert (len(held), held.dirty) == (0, {("r", "k")})
    with pytest.raises(Corrupt):
        held.load("r", "k", b"[]")
