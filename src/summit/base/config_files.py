"""The files that settings come from, and which of them wins.

A value of the profile wins over the same of the working directory's `summit.toml` (or of the file
that `SUMMIT_CONFIG` names), and that over the user's own file. A profile is a table
`[profiles.NAME]` of either file, with the settings of the client at its top and those of parts in
tables of their own:

    profile = "staging"                     # where neither --profile nor SUMMIT_PROFILE says one
    [client]
    bootstrapServers = "localhost:9092"
    [broker]
    port = 9092
    [profiles.staging]
    bootstrapServers = "kafka-1:9092"
    [profiles.staging.broker]
    port = 19092
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from summit.base.config import load_toml, suggestion
from summit.base.errors import Invalid

CONFIG_FILE: Final = "summit.toml"
CLIENT: Final = "client"
_ABOUT_PROFILES: Final = ("profile", "profiles")


class Layer(NamedTuple):
    """The sections of one source; `name` says which it is."""

    name: str
    tables: dict[str, Any]


def config_path(env: Mapping[str, str]) -> str:
    """The configuration file of this process; it need not be there."""
    return env.get("SUMMIT_CONFIG") or CONFIG_FILE


def user_path(env: Mapping[str, str]) -> str:
    """The user's own file; it need not be there."""
    home = env.get("XDG_CONFIG_HOME") or str(Path(env.get("HOME") or "~").expanduser() / ".config")
    return str(Path(home) / "summit" / "config.toml")


def profile_names(env: Mapping[str, str]) -> list[str]:
    """The profiles that there are."""
    names = [name for layer in _files(env) for name in _profiles(layer)]
    return list(dict.fromkeys(names))


def current_profile(env: Mapping[str, str]) -> str | None:
    """The profile in force: SUMMIT_PROFILE, else `profile` of a file."""
    if env.get("SUMMIT_PROFILE"):
        return env["SUMMIT_PROFILE"]
    for layer in reversed(_files(env)):
        named = layer.tables.get("profile")
        if named is not None:
            if not isinstance(named, str):
                raise _invalid(f"{layer.name}: profile is the name of one, not a table")
            return named
    return None


def layers(env: Mapping[str, str]) -> list[Layer]:
    """What files say, the weakest first. Raises Invalid for a profile that is nowhere."""
    files = _files(env)
    wanted = current_profile(env)
    found = [
        Layer(layer.name, {k: v for k, v in layer.tables.items() if k not in _ABOUT_PROFILES})
        for layer in files
    ]
    if wanted is None:
        return found
    of_profile = [
        Layer(f"profile {wanted} of {layer.name}", _sections(_profiles(layer)[wanted], layer.name))
        for layer in files if wanted in _profiles(layer)
    ]  # fmt: skip
    if not of_profile:
        known = profile_names(env)
        raise Invalid(
            "config.unknown_profile", name=wanted, hint=suggestion(wanted, known),
            known=", ".join(known) or "none",
        )  # fmt: skip
    return found + of_profile


def merged(found: Sequence[Layer]) -> dict[str, Any]:
    """The sections as they hold: key by key the strongest layer's."""
    tables: dict[str, Any] = {}
    for layer in found:
        for section, table in layer.tables.items():
            if isinstance(table, dict):
                tables[section] = {**tables.get(section, {}), **table}
    return tables


def file_settings(env: Mapping[str, str]) -> dict[str, Any]:
    """What the files and the profile say, by section. Raises Invalid."""
    return merged(layers(env))


def _files(env: Mapping[str, str]) -> list[Layer]:
    found = _read(env)
    for layer in found:
        _profiles(layer)  # what is no profile is refused, wanted or not
    return found


def _read(env: Mapping[str, str]) -> list[Layer]:
    places = [path for path in (user_path(env), config_path(env)) if Path(path).exists()]
    if env.get("SUMMIT_CONFIG") and not Path(env["SUMMIT_CONFIG"]).exists():
        raise _invalid(f"SUMMIT_CONFIG names {env['SUMMIT_CONFIG']}, which is not there")
    return [Layer(path, load_toml(path)) for path in places]


def _profiles(layer: Layer) -> dict[str, dict[str, Any]]:
    profiles = layer.tables.get("profiles", {})
    if not isinstance(profiles, dict) or not all(isinstance(p, dict) for p in profiles.values()):
        raise _invalid(f"{layer.name}: write profiles as tables: [profiles.NAME]")
    return profiles


def _sections(profile: Mapping[str, Any], path: str) -> dict[str, Any]:
    """A profile's tables; what stands at its top is of the client."""
    tables = {name: value for name, value in profile.items() if isinstance(value, dict)}
    top = {name: value for name, value in profile.items() if not isinstance(value, dict)}
    if top:
        tables[CLIENT] = {**tables.get(CLIENT, {}), **top}
    return tables


def _invalid(reason: str) -> Invalid:
    return Invalid("config.invalid", reason=reason, pointer="")
