"""Brokers for what stands on the log."""

from tests.flow.conftest import each_backend, servers

__all__ = ["each_backend", "servers"]
