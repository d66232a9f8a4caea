"""One line of the doctor: what was looked at, how it is, and what to do."""

from __future__ import annotations

from typing import Literal, NamedTuple

Status = Literal["ok", "warn", "fail"]


class Finding(NamedTuple):
    """What one look found.

    Attributes:
        check: What was looked at.
        status: `ok`; `warn`: it works and should be seen to; `fail`: something cannot work.
        detail: What was seen.
        advice: What to do; empty where nothing is to be done.
    """

    check: str
    status: Status
    detail: str
    advice: str = ""


def ok(check: str, detail: str) -> Finding:
    """All is well."""
    return Finding(check, "ok", detail)


def warn(check: str, detail: str, advice: str) -> Finding:
    """It works and should be seen to."""
    return Finding(check, "warn", detail, advice)


def fail(check: str, detail: str, advice: str) -> Finding:
    """Something cannot work."""
    return Finding(check, "fail", detail, advice)
