"""Logs: lines for people on a terminal, JSON elsewhere, always on standard error."""

from __future__ import annotations

import logging
import sys
from typing import Any

_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}
_level = _LEVELS["warning"]


def get_logger(name: str) -> Any:
    """A structured logger: `log.warning("segment.rolled", topic=t, base_offset=o)`.

    A program that configures nothing gets warnings and errors only.
    """
    structlog = _structlog()
    if not structlog.is_configured():
        configure("warning")
    return structlog.get_logger(room=name)


def is_debugging() -> bool:
    """Whether the level debug is told: for what costs something to find out."""
    return _level == _LEVELS["debug"]


def configure(level: str = "info", *, json: bool | None = None) -> None:
    """Set level and form of all logs of the process.

    Args:
        level: debug, info, warning or error.
        json: One JSON object a line; by default where standard error is no terminal.
    """
    global _level
    structlog = _structlog()
    _level = _LEVELS[level]
    use_json = not sys.stderr.isatty() if json is None else json
    renderer: Any = (
        structlog.processors.JSONRenderer()
        if use_json
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=_StandardError(),
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(stream=sys.stderr, level=_LEVELS[level], format="%(name)s: %(message)s")


class _StandardError:
    """Makes loggers for the standard error of the moment (tests and daemons replace it)."""

    def __call__(self, *_: Any) -> Any:
        return _structlog().PrintLogger(sys.stderr)


def _structlog() -> Any:
    """The library, without Rich, which it would load for tracebacks in colour: 5 MB."""
    hidden = "structlog" not in sys.modules and "rich" not in sys.modules
    if hidden:
        sys.modules["rich"] = None  # type: ignore[assignment]
    try:
        import structlog
    finally:
        if hidden:
            del sys.modules["rich"]
    return structlog
