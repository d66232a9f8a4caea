"""The catalogue is complete and each error says what to do."""

import pickle

import pytest

from summit.base import errors
from summit.base.catalogue import CATALOGUE

KINDS = {
    "Invalid": errors.Invalid,
    "Conflict": errors.Conflict,
    "Unavailable": errors.Unavailable,
    "Closed": errors.Closed,
    "Corrupt": errors.Corrupt,
    "Internal": errors.Internal,
}


@pytest.mark.parametrize("code", sorted(CATALOGUE))
def test_row_is_complete(code: str) -> None:
    spec = CATALOGUE[code]
    error = KINDS[spec.kind](code)
    assert str(error)
    assert error.advice.endswith((".", "!", "`", "'", ")")), error.advice
    assert 400 <= error.http_status <= 599


def test_unknown_code_and_wrong_kind_are_bugs() -> None:
    with pytest.raises(LookupError):
        errors.Invalid("no.such.code")
    with pytest.raises(LookupError):
        errors.Conflict("disk.full")


def test_template_shows_details_and_missing_ones() -> None:
    error = errors.Unavailable("disk.full", path="/data", retry_after_ms=100)
    assert str(error) == "no space left under /data"
    assert str(errors.Unavailable("disk.full")) == "no space left under {path}"
    assert error.retriable
    assert error.kafka_code == "KAFKA_STORAGE_ERROR"


def test_errors_travel_between_processes() -> None:
    error = errors.Unavailable("disk.full", path="/data", retry_after_ms=100)
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), again.code, again.details) == (type(error), error.code, error.details)
    assert again.retry_after_ms == 100
