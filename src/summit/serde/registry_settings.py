"""Configuration of a schema registry's client."""

from __future__ import annotations

from typing import Final

from summit.base.errors import Invalid
from summit.http_out import HttpConfig

_LATEST_MS_MAX: Final = 86_400_000


class SchemaRegistryConfig(HttpConfig, frozen=True, kw_only=True):
    """Where the registry is; everything of `HttpConfig`, and:

    Args:
        latest_max_age_ms: How long the latest version of a subject is taken for the latest.
        normalize: Let the registry bring schemas into one form before it compares them.
    """

    normalize: bool = False
    latest_max_age_ms: int = 60_000

    def check(self) -> None:
        super().check()
        if not 0 <= self.latest_max_age_ms <= _LATEST_MS_MAX:
            raise Invalid(
                "config.invalid",
                reason=f"SchemaRegistryConfig.latestMaxAgeMs: not in 0 to {_LATEST_MS_MAX:,}",
                pointer="/latestMaxAgeMs",
            )
