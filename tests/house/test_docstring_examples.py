"""Every example in a docstring is run."""

import doctest
import importlib
import pkgutil

import pytest

import summit

MODULES = sorted(
    info.name
    for info in pkgutil.walk_packages(summit.__path__, "summit.")
    if not info.name.endswith("__main__")
)


@pytest.mark.parametrize("name", MODULES)
def test_examples(name: str) -> None:
    module = importlib.import_module(name)
    assert doctest.testmod(module).failed == 0
