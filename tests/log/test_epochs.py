"""Leader epochs: where each ended, and their file."""

from __future__ import annotations

import pytest

from summit.log.epochs import LeaderEpochs


def some() -> LeaderEpochs:
    epochs = LeaderEpochs()
    for epoch, offset in ((0, 0), (2, 10), (5, 30)):
        epochs.note(epoch, offset)
    return epochs


@pytest.mark.parametrize(
    ("epoch", "answer"),
    [(0, (0, 10)), (1, (0, 10)), (2, (2, 30)), (4, (2, 30)), (5, (5, 99)), (6, (-1, -1))],
)
def test_where_an_epoch_ended(epoch: int, answer: tuple[int, int]) -> None:
    assert some().end_of(epoch, 99) == answer


def test_before_the_first_and_without_any() -> None:
    epochs = LeaderEpochs()
    assert epochs.end_of(0, 99) == (-1, -1)
    epochs.note(3, 50)
    assert epochs.end_of(1, 99) == (1, 50)


def test_file() -> None:
    epochs = some()
    assert epochs.encode() == b"0\n3\n0 0\n2 10\n5 30\n"
    again = LeaderEpochs()
    again.load(epochs.encode())
    assert again.entries == epochs.entries
    assert not again.is_dirty
    again.load(b"0\n3\n0 0\n2 x\n5 30\n")
    assert again.entries == [(0, 0)]


def test_truncate() -> None:
    epochs = some()
    epochs.truncate(30)
    assert epochs.entries == [(0, 0), (2, 10)]
    assert epochs.last_epoch == 2
