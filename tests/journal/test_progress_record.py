"""Progress records: old ones are readable, members may come, newer versions are refused."""

from __future__ import annotations

import msgspec
import pytest

from summit.base.errors import Invalid
from summit.base.limits import WORKERS_REMEMBERED_MAX
from summit.client.types import ConsumerRecord
from summit.journal.progress import Progress
from summit.journal.progress_record import (
    PROGRESS_VERSION,
    ProgressRecord,
    decode_progress,
    encode_progress,
)
from summit.journal.worker_figures import RuleFigures, WorkerFigures

OLD = (
    b'{"worker":"w","groups":[0,1],"positions":{"t/0":5},"seen":{"t/0":5},"alerts":{"0":2},'
    b'"definitions":3,"reads":["*"],"guarantee":"exactly_once","runs":4,"at":9}'
)


def record(value: bytes) -> ConsumerRecord:
    return ConsumerRecord("_summit.progress", 0, 0, 0, None, value)


def test_a_record_from_before_versions_and_figures_is_readable() -> None:
    told = decode_progress(OLD)
    assert (told.version, told.figures, told.groups, told.runs) == (1, None, [0, 1], 4)


def test_a_record_comes_out_as_it_went_in() -> None:
    figures = WorkerFigures(
        id="i", events=7, inputs={"t/0": 1.5}, state_bytes=70, restoring=(1, 2),
        rules={"r": RuleFigures(matches=3, keys_evicted=2)},
    )  # fmt: skip
    told = ProgressRecord(worker="w", groups=[3], figures=figures)
    assert decode_progress(encode_progress(told)) == told
    assert figures.state_bytes_per_event == 10
    # What is zero takes no room; names are those of the wire.
    assert msgspec.json.decode(msgspec.json.encode(figures)) == {
        "id": "i", "events": 7, "inputs": {"t/0": 1.5}, "stateBytes": 70, "restoring": [1, 2],
        "rules": {"r": {"matches": 3, "keysEvicted": 2}},
    }  # fmt: skip


def test_members_that_are_not_known_here_are_passed_over() -> None:
    assert decode_progress(OLD[:-1] + b',"later":[1,{}]}') == decode_progress(OLD)


@pytest.mark.parametrize("members", [b'"groups":[0]', b'"groups":"other than today"'])
def test_a_newer_version_is_refused_by_name_whatever_it_holds(members: bytes) -> None:
    value = b'{"version":%d,"worker":"w",%s}' % (PROGRESS_VERSION + 1, members)
    with pytest.raises(Invalid) as caught:
        decode_progress(value)
    assert caught.value.code == "progress.newer"
    progress = Progress()
    progress.take([record(value)])
    assert progress.newer is not None
    assert (progress.invalid, progress.workers) == (1, [])


@pytest.mark.parametrize("value", [b"", b"x", b"[]", b'{"worker":5}', b'{"version":"x"}'])
def test_what_is_no_record_is_invalid(value: bytes) -> None:
    with pytest.raises(Invalid) as caught:
        decode_progress(value)
    assert caught.value.code == "progress.invalid"


def test_figures_are_remembered_for_so_many_workers() -> None:
    progress = Progress()
    for n in range(WORKERS_REMEMBERED_MAX + 5):
        told = ProgressRecord(worker="w", figures=WorkerFigures(id=f"{n}"))
        progress.take([record(encode_progress(told))])
    assert len(progress.told) == WORKERS_REMEMBERED_MAX
    assert "4" not in progress.told
    progress.take([record(encode_progress(ProgressRecord(worker="w", groups=[1])))])
    assert len(progress.told) == WORKERS_REMEMBERED_MAX
