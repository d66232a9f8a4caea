"""Errors: six kinds, named by what the caller must do.

    SummitError
      Invalid      the caller fixes the request, the rule or the configuration
      Conflict     the caller re-reads and retries, or drops the operation
      Unavailable  the caller waits (`retry_after_ms`) and retries
      Closed       the caller makes a new instance; this one is closed, fenced or failed
      Corrupt      the caller stops; an operator looks
      Internal     the caller reports a bug

Each error carries a `code` of the catalogue (`catalogue.py`). The text may change between
versions; code and kind may not. Only this file may define exception classes that cross rooms.
"""

from __future__ import annotations

from typing import Any, ClassVar

from summit.base.catalogue import CATALOGUE
from summit.base.error_spec import ErrorSpec


class SummitError(Exception):
    """An error of the catalogue.

    Args:
        code: A code of `CATALOGUE` whose kind is this class.
        retry_after_ms: When a retry makes sense, milliseconds; only for `Unavailable`.
        details: Values of the template; also given to machines as they are.
    """

    kind: ClassVar[str] = ""

    def __init__(self, code: str, *, retry_after_ms: int | None = None, **details: Any) -> None:
        spec = CATALOGUE.get(code)
        if spec is None:
            raise LookupError(f"error code {code!r} is not in the catalogue")
        if self.kind != spec.kind:
            raise LookupError(f"error code {code!r} is of kind {spec.kind}, not {self.kind}")
        super().__init__(code)
        self.code = code
        self.spec: ErrorSpec = spec
        self.details = details
        self.retry_after_ms = retry_after_ms

    def __str__(self) -> str:
        return self.spec.template.format_map(_Visible(self.details))

    def __reduce__(self) -> Any:
        return (_rebuild, (type(self), self.code, self.retry_after_ms, self.details))

    @property
    def http_status(self) -> int:
        """The HTTP status that stands for this error."""
        return self.spec.http_status

    @property
    def kafka_code(self) -> str | None:
        """The name of the Kafka error code that stands for this error, if one does."""
        return self.spec.kafka_code

    @property
    def advice(self) -> str:
        """What to do about it, one sentence."""
        return self.spec.advice.format_map(_Visible(self.details))

    @property
    def retriable(self) -> bool:
        """Whether the same call may succeed later."""
        return self.spec.retriable


class Invalid(SummitError):
    """The caller fixes the request, the rule or the configuration."""

    kind = "Invalid"


class Conflict(SummitError):
    """The caller re-reads and retries, or drops the operation."""

    kind = "Conflict"


class Unavailable(SummitError):
    """The caller waits and retries."""

    kind = "Unavailable"


class Closed(SummitError):
    """The caller makes a new instance: this one is closed, fenced or failed."""

    kind = "Closed"


class Corrupt(SummitError):
    """The caller stops and an operator looks."""

    kind = "Corrupt"


class Internal(SummitError):
    """The caller reports a bug."""

    kind = "Internal"


class _Visible(dict[str, Any]):
    """A template's values; a missing one stays visible instead of raising."""

    def __missing__(self, key: str) -> str:
        return "{" + key + "}"


def _rebuild(
    cls: type[SummitError], code: str, retry_after_ms: int | None, details: dict[str, Any]
) -> SummitError:
    return cls(code, retry_after_ms=retry_after_ms, **details)
