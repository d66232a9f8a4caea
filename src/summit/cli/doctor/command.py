"""The command `summit doctor`: every look, and the lines that people read."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any, Final
from urllib.parse import urlsplit

import click

from summit.cli.doctor.finding import Finding
from summit.cli.output import bootstrap_option, output_option, print_list, service_options, talk

_COLOURS: Final = {"ok": "green", "warn": "yellow", "fail": "red"}


@click.command()
@bootstrap_option
@click.option("--data-dir", default=None, help="Of the broker; by default as it is configured.")
@click.option("--offline", is_flag=True, help="Ask neither brokers nor services.")
@service_options("streaming")
@output_option
def doctor(
    bootstrap_servers: str, data_dir: str | None, offline: bool, url: str, output: str | None
) -> None:
    """Look at this machine, the settings and the services for faults.

    Each line is ok, warn or fail, with what to do about it. Ends with 1 if any is fail.
    """
    from summit.base.logs import configure

    configure("error")
    findings = list(_findings(bootstrap_servers, url, data_dir, offline=offline))
    show(findings, output)
    failed = sum(each.status == "fail" for each in findings)
    warned = sum(each.status == "warn" for each in findings)
    talk(f"{len(findings)} looked at, {warned} to see to, {failed} at fault")
    sys.exit(1 if failed else 0)


def show(findings: Iterable[Finding], output: str | None) -> None:
    """Lines for people, the list for programs."""
    if output not in (None, "table"):
        rows: list[dict[str, Any]] = [each._asdict() for each in findings]
        print_list(rows, list(Finding._fields), output)
        return
    for each in findings:
        mark = click.style(f"{each.status:<4}", fg=_COLOURS[each.status], bold=True)
        click.echo(f"{mark}  {each.check}: {each.detail}")
        if each.advice:
            click.echo(f"      {each.advice}")


def _findings(servers: str, url: str, data_dir: str | None, *, offline: bool) -> Iterable[Finding]:
    from summit.base.errors import SummitError
    from summit.cli.doctor.installation import configuration_findings, data_findings
    from summit.cli.doctor.machine import machine_findings, ports
    from summit.cli.doctor.running import running_findings
    from summit.cli.profiles import client_settings
    from summit.services.broker_options import broker_settings
    from summit.services.settings import service_settings

    configuration = list(configuration_findings())
    try:
        broker = broker_settings({"data_dir": data_dir})
        services = {
            "streaming": service_settings("streaming", 3000, {}),
            "correlation": service_settings("correlation", 3001, {}, named_port=False),
        }
    except SummitError:  # said above
        yield from configuration
        yield from machine_findings(data_dir or "summit-data")
        return
    yield from machine_findings(broker.data_dir)
    yield from configuration
    yield from data_findings(broker.data_dir)
    urls = {"streaming": url, "correlation": client_settings().correlation_url}
    running = [] if offline else running_findings(servers, urls)
    well = {each.check for each in running if each.status == "ok"}
    listening = {_place(each) for each in servers.split(",") if "broker" in well}
    listening |= {_place(address) for name, address in urls.items() if name in well}
    wanted = [("broker", broker.host, broker.port)]
    wanted += [(f"{name} service", each.host, each.port) for name, each in services.items()]
    yield from ports([(*each, _place(f"{each[1]}:{each[2]}") in listening) for each in wanted])
    yield from running


def _place(address: str) -> tuple[str, int | None]:
    """Host and port, one spelling of this machine."""
    parts = urlsplit(address if "://" in address else f"//{address}")
    host = parts.hostname or ""
    return ("localhost" if host in ("127.0.0.1", "::1") else host, parts.port)
