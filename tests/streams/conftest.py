"""A live broker for the tests of this folder, as those of the workers have it."""

from tests.flow.conftest import each_backend, servers

__all__ = ["each_backend", "servers"]
