"""What runs: the broker, groups that are behind, the services, workers, collectors."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from email.utils import parsedate_to_datetime
from typing import Any, Final

from summit import __version__
from summit.base.clock import SystemClock
from summit.base.errors import SummitError
from summit.cli.doctor.finding import Finding, fail, ok, warn

CONNECT_MS: Final = 3_000
LAG_WARNED: Final = 10_000
SKEW_WARNED_S: Final = 2.0
_START = "Start it (`summit up`), or say where it is: {}."


async def broker_findings(servers: str) -> list[Finding]:
    """The brokers and the groups."""
    from summit.cli.group import committed_rows
    from summit.client.admin import Admin

    config = {"clientId": "summit-doctor", "bootstrapServers": servers.split(","),
              "connectTimeoutMs": CONNECT_MS, "requestTimeoutMs": 10_000}  # fmt: skip
    try:
        async with Admin(config) as admin:
            cluster = await admin.describe_cluster()
            topics = await admin.list_topics()
            found = [ok("broker", f"{servers}: {len(cluster.live)} alive of {len(cluster.brokers)},"
                        f" {len(topics)} topics")]  # fmt: skip
            if len(cluster.live) < len(cluster.brokers):
                found.append(warn("broker", "some brokers are fenced", "Look into their logs."))
            short = [state for state in await admin.partition_states() if state.is_offline]
            if short:
                found.append(fail("partitions", f"{len(short)} have no leader",
                                  "Start the brokers that hold them."))  # fmt: skip
            rows = {name: await committed_rows(admin, name) for name in await admin.list_groups()}
    except SummitError as error:
        advice = _START.format("--bootstrap-servers, SUMMIT_BOOTSTRAP_SERVERS or a profile")
        return [warn("broker", str(error), advice)]
    return [*found, *group_findings(rows)]


def group_findings(rows: dict[str, list[dict[str, Any]]]) -> Iterator[Finding]:
    """Groups that are far behind.

    Args:
        rows: By group its partitions, each with `lag`.
    """
    behind = {
        name: lag
        for name, partitions in rows.items()
        if (lag := sum(row["lag"] or 0 for row in partitions)) > LAG_WARNED
    }
    for name, lag in sorted(behind.items(), key=lambda pair: -pair[1]):
        yield warn(f"group {name}", f"{lag} records behind",
                   f"Start more members, raise maxPollRecords, or see what holds it up:"
                   f" summit group describe {name}")  # fmt: skip
    if not behind:
        yield ok("groups", f"{len(rows)}, none more than {LAG_WARNED} records behind")


def service_findings(name: str, url: str) -> list[Finding]:
    """One service: reachable, ready, of this version, with the same time."""
    from summit.cli.rest import dialled

    found: list[Finding] = []
    try:
        rest = dialled(url, timeout_s=CONNECT_MS / 1_000)
        version = rest.get("/version")
    except SummitError as error:
        return [warn(name, str(error), _START.format("--profile, or SUMMIT_"
                     + name.upper() + "_URL"))]  # fmt: skip
    try:
        found.append(_ready(name, url, rest.get("/readyz")))
        date = rest.last_headers.get("date")
        if date is not None:
            skew_s = parsedate_to_datetime(date).timestamp() - SystemClock().now_ms() / 1_000
            if abs(skew_s) > SKEW_WARNED_S:
                found.append(warn(f"{name} clock", f"{skew_s:+.0f} s from here",
                                  "Synchronize the clocks of both machines."))  # fmt: skip
    except SummitError as error:
        found.append(fail(name, f"{url} is not ready: {error}", "See its reason; and its log."))
    if isinstance(version, dict) and version.get("version") != __version__:
        found.append(warn(f"{name} version", f"{version.get('version')}, and {__version__} here",
                          "Use the same version on both sides."))  # fmt: skip
    for look in _LOOKS.get(name, ()):
        try:
            found += look(rest)
        except SummitError as error:
            found.append(warn(name, str(error), "Ask with a token that may see it."))
    return found


def _ready(name: str, url: str, _: Any) -> Finding:
    return ok(name, f"{url} is ready")


def _collectors(rest: Any) -> Iterator[Finding]:
    rows = rest.get("/api/collectors")["collectors"]
    failed = [row for row in rows if row["state"] == "failed"]
    for row in failed:
        why = row.get("lastError") or row.get("error") or "it has failed"
        yield fail(f"collector {row['name']}", str(why),
                   f"summit collector status {row['name']}; then restart it.")  # fmt: skip
    if not failed:
        yield ok("collectors", f"{len(rows)}, none has failed")


def _workers(rest: Any) -> Iterator[Finding]:
    flow = rest.get("/api/flow")
    workers = flow["workers"]
    if not workers:
        yield warn("workers", "none: nothing is matched", "Start one: summit worker.")
    else:
        yield ok("workers", f"{len(workers)}, {flow['totals']['lag']} records behind")
    for warning in flow["warnings"]:
        yield warn("flow", str(warning), "summit flow describe shows all of it.")


_LOOKS: Final[dict[str, tuple[Callable[[Any], Iterator[Finding]], ...]]] = {
    "streaming": (_collectors,),
    "correlation": (_workers,),
}


def running_findings(servers: str, urls: dict[str, str]) -> list[Finding]:
    """All that runs. A part that does not is a warning: it may be meant to."""
    found = asyncio.run(broker_findings(servers))
    for name, url in urls.items():
        found += service_findings(name, url)
    return found
