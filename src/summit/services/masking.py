"""Secrets in definitions: shown as `***` where a document holds one itself instead of naming it.

A reference, `${NAME}` or `file:PATH`, is no secret and stays. Whoever sends a document back with
`***` in it is refused: the secret would be lost.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from summit.base.errors import Invalid
from summit.base.secrets import is_secret_reference

MASK: Final = "***"
_NAMES: Final = re.compile(
    r"(?i)(pass(word|wd|phrase)?|secrets?|(api|access|secret|private|routing|integration)_?keys?|"
    r"(bearer|auth|access|api)?_?tokens?|authorization|proxy-authorization|cookie|"
    r"x-(api|auth)[a-z-]*|credentials?)"
)
_USER_INFO: Final = re.compile(r"(?i)\b([a-z][a-z0-9+.-]*://)[^/@\s?#]+@")


def masked(value: Any, name: str = "") -> Any:
    """The same without what is secret.

    >>> masked({"apiKey": "s3cret", "password": "${DB}", "url": "https://u:p@host/x", "n": 1})
    {'apiKey': '***', 'password': '${DB}', 'url': 'https://***@host/x', 'n': 1}
    """
    if isinstance(value, Mapping):
        return {key: masked(each, str(key)) for key, each in value.items()}
    if isinstance(value, list):
        return [masked(each, name) for each in value]
    if not isinstance(value, str) or is_secret_reference(value):
        return value
    if value and _NAMES.fullmatch(name):
        return MASK
    return _USER_INFO.sub(rf"\1{MASK}@", value)


def refuse_masked(value: Any, name: str = "", pointer: str = "") -> None:
    """Refuse a document in which a mask stands for a secret. Raises Invalid with a pointer."""
    if isinstance(value, Mapping):
        for key, each in value.items():
            refuse_masked(each, str(key), f"{pointer}/{key}")
    elif isinstance(value, list):
        for place, each in enumerate(value):
            refuse_masked(each, name, f"{pointer}/{place}")
    elif isinstance(value, str) and (
        (value == MASK and _NAMES.fullmatch(name)) or f"://{MASK}@" in value
    ):
        reason = f"{pointer} is a mask; give the secret, or better name it: ${{NAME}}, file:PATH"
        raise Invalid("config.invalid", reason=reason, pointer=pointer)
