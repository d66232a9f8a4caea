"""The façades: every public name can be imported, from exactly one of them."""

import importlib
from collections import Counter

import pytest

FACADES = (
    "summit.stream_processing", "summit.event_processing", "summit.cep_engine",
    "summit.stream_ingestion", "summit.real_time_analytics",
)  # fmt: skip


@pytest.mark.parametrize("name", FACADES)
def test_each_name_is_there_once_and_in_order(name: str) -> None:
    package = importlib.import_module(name)
    assert [public for public in package.__all__ if getattr(package, public) is None] == []
    assert len(package.__all__) == len(set(package.__all__))


@pytest.mark.parametrize("name", FACADES)
def test_what_is_imported_into_a_facade_is_public(name: str) -> None:
    package = importlib.import_module(name)
    hidden = [
        attribute
        for attribute, value in vars(package).items()
        if isinstance(value, type)
        and not attribute.startswith("_")
        and value.__module__.startswith("summit.")
        and attribute not in package.__all__
    ]
    assert hidden == []


def test_no_name_has_two_facades() -> None:
    names = Counter(name for facade in FACADES for name in importlib.import_module(facade).__all__)
    assert [name for name, count in names.items() if count > 1] == []
