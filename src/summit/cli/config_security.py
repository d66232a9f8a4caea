"""`[security]` for `summit config show`: its settings, of which some are blocks of their own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from summit.base.config_files import Layer
from summit.base.secrets import ADMIN_KEY, ADMIN_KEY_FILE

_BLOCKS: Final = ("tls", "jwt")
_SECRET: Final = ("secret", "password", "token")


def security_rows(
    found: Sequence[Layer], env: Mapping[str, str], *, with_defaults: bool
) -> list[dict[str, Any]]:
    """A row for each setting, blocks as `tls.certFile`; see `summit.cli.config`.

    Raises: Invalid for settings that cannot be used.
    """
    import msgspec

    from summit.services.security import SECTION, security_settings

    origins = dict(_origins(found, env, SECTION))
    rows = []
    for name, value in _flat(msgspec.to_builtins(security_settings())):
        origin = origins.get(_plain(name))
        if origin is None and not with_defaults:
            continue
        rows.append(
            {"section": SECTION, "setting": name, "value": _shown(name, value),
             "origin": origin or "default"}
        )  # fmt: skip
    return rows


def _flat(values: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if name in _BLOCKS and isinstance(value, dict):
            yield from ((f"{name}.{key}", inner) for key, inner in value.items())
        else:
            yield name, value


def _origins(
    found: Sequence[Layer], env: Mapping[str, str], section: str
) -> Iterator[tuple[str, str]]:
    """Where each is set, the weakest first."""
    for layer in found:
        for name, _ in _flat(layer.tables.get(section, {})):
            yield _plain(name), layer.name
    prefix = f"SUMMIT_{section.upper()}__"
    for name in env:
        if name.startswith(prefix):
            yield _plain(name.removeprefix(prefix).replace("__", ".")), name
    for name in (ADMIN_KEY, ADMIN_KEY_FILE):
        if env.get(name):
            yield "adminkey", name


def _plain(name: str) -> str:
    """`cert_file`, `CERT_FILE` and `certFile` are one name."""
    return name.replace("_", "").lower()


def _shown(name: str, value: Any) -> Any:
    if value is None:
        return None
    is_reference = isinstance(value, str) and value.startswith(("${", "file:"))
    is_secret = name == "adminKey" or any(word in name.lower() for word in _SECRET)
    return "***" if is_secret and not is_reference else value
