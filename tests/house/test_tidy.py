"""The house rules hold."""

from tools.tidy import problems


def test_tidy() -> None:
    assert problems() == []
