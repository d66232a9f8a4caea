"""Secrets by reference: documents name them, `${NAME}` or `file:PATH`, and never hold them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from summit.base.config import environment
from summit.base.errors import Invalid

_VARIABLE: Final = re.compile(r"\$\{(.+)\}")
# What makes an admin: whoever may write documents could have it sent to themselves.
ADMIN_KEY: Final = "SUMMIT_ADMIN_KEY"
ADMIN_KEY_FILE: Final = "SUMMIT_ADMIN_KEY_FILE"
INNER_USER: Final = "summit-inner"  # the parts of one machine's platform, to its secured broker
SECRETS_DIR: Final = "SUMMIT_SECRETS_DIR"  # where it is set, files of secrets are below it


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
    if known is None:
        _refuse_reserved(reference, found[1] if found else None)
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


def read_admin_key(reference: str) -> bytes:
    """The key of the admin, which no document may name. Raises Invalid("secret.missing")."""
    return read_secret(reference, environment())


def reserved_file(path: str) -> str:
    """Why no document may have this file read; empty where it may.

    The files of processes hold environments, and those what a process itself logs in with.
    """
    admin_key_file = environment().get(ADMIN_KEY_FILE)
    try:
        real = Path(path).resolve()
        if admin_key_file and real == Path(admin_key_file).resolve():
            return "it is not for documents"
    except (OSError, ValueError, RuntimeError):
        return "it cannot be read"
    is_memory = real.parts[1:3] == ("dev", "shm")
    is_of_system = real.parts[1:2] in (("proc",), ("sys",), ("dev",)) and not is_memory
    return "it is no file of a disk" if is_of_system else ""


def is_kept_secret(path: str) -> bool:
    """Whether a file stands where documents may name secrets, but not have them read as data."""
    kept = environment().get(SECRETS_DIR)
    try:
        return bool(kept) and Path(path).resolve().is_relative_to(Path(str(kept)).resolve())
    except (OSError, ValueError, RuntimeError):
        return False


def _refuse_reserved(reference: str, variable: str | None) -> None:
    reason = ""
    if variable is not None:
        # A setting of ours, SUMMIT_SECTION__NAME, may hold what a process itself logs in with.
        is_ours = variable.startswith("SUMMIT_") and "__" in variable
        if is_ours or variable in (ADMIN_KEY, ADMIN_KEY_FILE, "SUMMIT_TOKEN"):
            reason = "it is not for documents"
    else:
        path = reference.removeprefix("file:")
        reason = reserved_file(path)
        if not reason and environment().get(SECRETS_DIR) and not is_kept_secret(path):
            reason = f"it is not below {SECRETS_DIR}"
    if reason:
        raise Invalid("secret.missing", name=reference, reason=reason)
