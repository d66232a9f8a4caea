"""The collector rests for a while, and comes back as it was; what is alive is set aside."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest

from summit.base.collecting import Settling, collection_paused


def test_the_collector_comes_back_as_it_was() -> None:
    @collection_paused()
    def seen() -> bool:
        return gc.isenabled()

    assert gc.isenabled()
    assert not seen()
    assert gc.isenabled()
    with collection_paused():
        assert not seen()  # one inside the other
        assert not gc.isenabled()
    with pytest.raises(KeyError), collection_paused():
        raise KeyError
    assert gc.isenabled()


class _Cycle:
    def __init__(self) -> None:
        self.itself = self


@pytest.fixture
def as_before() -> Iterator[None]:
    thresholds = gc.get_threshold()
    yield
    gc.set_threshold(*thresholds)
    gc.unfreeze()


@pytest.mark.usefixtures("as_before")
def test_what_is_alive_is_looked_through_no_more() -> None:
    settling = Settling(0.0, 0.0)
    kept = [_Cycle() for _ in range(100)]
    frozen = gc.get_freeze_count()
    assert settling.settle(1.0, 1.0) is False
    assert gc.get_freeze_count() >= frozen + len(kept)


@pytest.mark.usefixtures("as_before")
def test_a_young_cycle_that_is_dead_goes_at_once() -> None:
    settling = Settling(0.0, 0.0)
    dead = weakref.ref(_Cycle())
    settling.settle(1.0, 1.0)
    assert dead() is None


@pytest.mark.usefixtures("as_before")
def test_one_that_dies_later_goes_when_the_process_rests() -> None:
    settling = Settling(0.0, 0.0)
    cycle = _Cycle()
    dead = weakref.ref(cycle)
    settling.settle(1.0, 1.0)
    del cycle
    assert settling.settle(700.0, 700.0) is False  # busy all the time
    assert dead() is not None
    assert settling.settle(701.0, 700.01) is True
    assert dead() is None
    assert settling.settle(702.0, 700.02) is False  # not again so soon


@pytest.mark.usefixtures("as_before")
def test_a_process_that_never_rests_looks_once_in_six_hours() -> None:
    settling = Settling(0.0, 0.0)
    assert settling.settle(6 * 3_600.0 - 1, 6 * 3_600.0) is False
    assert settling.settle(6 * 3_600.0, 7 * 3_600.0) is True
