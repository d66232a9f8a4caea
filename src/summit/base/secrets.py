"""Secrets by reference: documents name them, `${NAME}` or `file:PATH`, and never hold them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from summit.base.config import environment
from summit.base.errors import Invalid

_VARIABLE: Final = re.compile(r"\$\{(.+)\}")


def is_secret_reference(text: str) -> bool:
    """Whether a text names a secret.

    >>> is_secret_reference("${API_KEY}"), is_secret_reference("file:/run/key")
    (True, True)
    """
    return _VARIABLE.fullmatch(text) is not None or text.startswith("file:")


def read_secret(reference: str, known: Mapping[str, str] | None = None) -> bytes:
    """The secret that a reference names; of a file without the ends of line behind it.

    Args:
        known: Secrets by name; without it the environment's variables.
    Raises: Invalid("secret.missing").
    """
    found = _VARIABLE.fullmatch(reference)
    if found is None:
        try:
            secret = Path(reference.removeprefix("file:")).read_bytes().rstrip(b"\r\n")
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or "it cannot be read"
            raise Invalid("secret.missing", name=reference, reason=reason) from error
    else:
        secret = (environment() if known is None else known).get(found[1], "").encode()
    if not secret:
        raise Invalid("secret.missing", name=reference, reason="it is not set, or empty")
    return secret
