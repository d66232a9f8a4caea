"""Where the services' settings come from: flags, `SUMMIT_*`, the guide's names, `summit.toml`.

The guide's names: PORT (of the REST service), BROKER_HOST, BROKER_PORT and BOOTSTRAP_SERVERS (which
broker to dial), DATA_DIR, LOG_DIR, BROKER_ID (of an embedded broker). SUMMIT_BOOTSTRAP_SERVERS goes
before BOOTSTRAP_SERVERS. SUMMIT_BROKER__DURABILITY and the like set one field of a section.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from summit.base.config import Config, environment, extend_environment, resolve
from summit.base.config_files import file_settings
from summit.base.errors import Invalid

GUIDE_NAMES = frozenset(
    ("PORT", "DATA_DIR", "LOG_DIR", "BROKER_ID", "BROKER_HOST", "BROKER_PORT", "BOOTSTRAP_SERVERS")
)


class ServiceSettings(Config, frozen=True, kw_only=True):
    """What a REST service is started with.

    Attributes:
        host: The address to listen on; others than loopback need authentication.
        port: The port; 0 takes a free one.
        workers: Worker processes to start beside the service; 0 when others match.
        response_timeout_ms: How long `POST /api/events` waits for an event's alerts.
    """

    host: str = "127.0.0.1"
    port: int = 0
    workers: int = 1
    response_timeout_ms: int = 10_000

    def check(self) -> None:
        """Refuse what types alone cannot."""
        if not 0 <= self.port <= 65_535:
            raise _wrong(f"port must be from 0 to 65535, not {self.port}", "/port")
        if not 0 <= self.workers <= 64:
            raise _wrong(f"workers must be from 0 to 64, not {self.workers}", "/workers")


def service_settings(
    section: str, port: int, flags: Mapping[str, Any], *, named_port: bool = True
) -> ServiceSettings:
    """Settings of the service `streaming` or `correlation`.

    Args:
        section: Its section of the file and of `SUMMIT_SECTION__*`.
        port: Its default port.
        flags: Values from the command line, None where not given.
        named_port: Whether PORT means this service; one process with both has one PORT.
    """
    return resolve(
        ServiceSettings, section,
        flags=flags, env=environment(),
        file={section: {"port": port, **file_settings(environment()).get(section, {})}},
        aliases={"PORT": "port"} if named_port else {},
    )  # fmt: skip


def notifications_folder() -> Path | None:
    """Where notifications of type `file` write: SUMMIT_NOTIFICATIONS_DIR, else below LOG_DIR."""
    env = environment()
    if env.get("SUMMIT_NOTIFICATIONS_DIR"):
        return Path(env["SUMMIT_NOTIFICATIONS_DIR"])
    return Path(env["LOG_DIR"]) / "notifications" if env.get("LOG_DIR") else None


def views_folder() -> Path | None:
    """Where a service keeps what it has read of the log: SUMMIT_VIEWS_DIR, else below DATA_DIR.

    None = it reads anew at each start.
    """
    env = environment()
    if env.get("SUMMIT_VIEWS_DIR"):
        return Path(env["SUMMIT_VIEWS_DIR"])
    return Path(env["DATA_DIR"]) / "views" if env.get("DATA_DIR") else None


def keep_views_below(data_dir: str) -> None:
    """Let children keep what they read beside the log, unless another place is named."""
    folder = environment().get("SUMMIT_VIEWS_DIR") or str(Path(data_dir) / "views")
    extend_environment({"SUMMIT_VIEWS_DIR": folder})


def without_settings(env: Mapping[str, str]) -> dict[str, str]:
    """An environment without the names that set anything of ours.

    >>> without_settings({"PATH": "/bin", "DATA_DIR": "/data", "SUMMIT_BROKER__PORT": "1"})
    {'PATH': '/bin'}
    """
    return {
        name: text
        for name, text in env.items()
        if name not in GUIDE_NAMES and not name.startswith("SUMMIT_")
    }


def bootstrap_servers(flag: str | None, *, default: str | None) -> list[str]:
    """The brokers to dial, or nothing when none is named and there is no default."""
    env = environment()
    text = flag or env.get("SUMMIT_BOOTSTRAP_SERVERS") or env.get("BOOTSTRAP_SERVERS")
    if not text and env.get("BROKER_HOST"):
        text = f"{env['BROKER_HOST']}:{env.get('BROKER_PORT') or 9092}"
    if not text and default is not None and env.get("BROKER_PORT"):
        text = f"localhost:{env['BROKER_PORT']}"
    return [part.strip() for part in (text or default or "").split(",") if part.strip()]


def _wrong(reason: str, pointer: str) -> Invalid:
    return Invalid("config.invalid", reason=reason, pointer=pointer)
