"""The collector rests for a while, and comes back as it was."""

from __future__ import annotations

import gc

import pytest

from summit.base.collecting import collection_paused


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
