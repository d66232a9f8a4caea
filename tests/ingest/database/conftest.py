"""Fixtures of the databases' tests: those of PostgreSQL; other databases' files have their own."""

from tests.ingest.database.pg_scene import broker, scene, server

__all__ = ["broker", "scene", "server"]
