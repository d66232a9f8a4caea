"""The syslog collector and the sender that most Linux machines have: Debian's rsyslog, which reads
a file and forwards its lines over TCP, TLS and UDP.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme
from tests.ingest.memory_log import MemoryLog

from summit.ingest import make_collector

pytestmark = pytest.mark.timeout(120)

PROGRAM = shutil.which("rsyslogd") or "/usr/sbin/rsyslogd"
LINES = 500
TLS = """
global(defaultNetstreamDriverCAFile="{directory}/ca")
"""
CONFIG = """
global(workDirectory="{directory}")
{more}
module(load="imfile" mode="inotify")
input(type="imfile" file="{directory}/app.log" tag="app:" severity="warning" facility="local3"
      addMetadata="off" reopenOnTruncate="on")
template(name="new" type="string"
         string="<%PRI%>1 %TIMESTAMP:::date-rfc3339% web-7 %APP-NAME% 811 ID47 - %msg%")
template(name="old" type="string" string="<%PRI%>%TIMESTAMP% web-7 %syslogtag% %msg%")
action(type="omfwd" target="127.0.0.1" port="{port}" {action} queue.type="LinkedList"
       action.resumeRetryCount="-1" action.resumeInterval="1")
"""


OVER_TLS = (
    'protocol="tcp" template="new" TCP_Framing="octet-counted" StreamDriver="gtls" '
    'StreamDriverMode="1" StreamDriverAuthMode="x509/name" StreamDriverPermittedPeers="localhost"'
)


@contextlib.contextmanager
def rsyslog(directory: Path, port: int, action: str, more: str = "") -> Iterator[None]:
    """One rsyslog that forwards what is appended to `app.log`."""
    if not Path(PROGRAM).exists():
        assert os.environ.get("CI") != "true", "rsyslog is missing"
        pytest.skip("rsyslog is not installed (apt-get install rsyslog rsyslog-gnutls)")
    config = directory / "rsyslog.conf"
    config.write_text(CONFIG.format(directory=directory, port=port, action=action, more=more))
    with (directory / "errors").open("wb") as errors:
        child = subprocess.Popen(
            [PROGRAM, "-n", "-f", str(config), "-i", str(directory / "pid")],
            stdout=errors, stderr=errors,
        )  # fmt: skip
        try:
            yield
            assert child.poll() is None, (directory / "errors").read_text()[-2_000:]
        finally:
            child.terminate()
            try:
                child.wait(30)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait(30)


@pytest.mark.parametrize(
    ("transport", "action", "block"),
    [
        ("tcp", 'protocol="tcp" template="new" TCP_Framing="octet-counted"', {}),
        ("tcp", 'protocol="tcp" template="new" keepAlive="on"', {"framing": "newline"}),
        ("tcp", 'protocol="tcp" template="old"', {}),
        (
            "tls",
            OVER_TLS,
            {},
        ),
        ("udp", 'protocol="udp" template="new"', {}),
    ],
    ids=["counted", "lines", "old", "tls", "udp"],
)
def test_what_rsyslog_forwards(
    transport: str, action: str, block: dict[str, Any], tmp_path: Path
) -> None:
    log, more = MemoryLog(1), ""
    options = {"transports": ["udp" if transport == "udp" else "tcp"], **block}
    if transport == "tls":
        authority = trustme.CA()
        server = authority.issue_cert("localhost")
        server.cert_chain_pems[0].write_to_path(str(tmp_path / "cert"))
        server.private_key_pem.write_to_path(str(tmp_path / "key"))
        authority.cert_pem.write_to_path(str(tmp_path / "ca"))
        options["tls"] = {"certFile": str(tmp_path / "cert"), "keyFile": str(tmp_path / "key")}
        more = TLS.format(directory=tmp_path)
    path = tmp_path / "app.log"
    texts = [f"order {n} für Zoë" for n in range(LINES)]
    path.write_text("".join(text + "\n" for text in texts))

    async def go() -> None:
        config = {"name": "s", "type": "syslog", "topic": "t", "port": 0, "syslog": options}
        collector = make_collector(config)
        await collector.start(log)
        try:
            port = int(str(collector.address).rpartition(":")[2])
            async with asyncio.timeout(100):
                with rsyslog(tmp_path, port, action, more):
                    while collector.status().accepted < LINES:
                        await asyncio.sleep(0.02)
                    if transport == "udp":
                        return
                    # The collector goes away and comes back; what is written meanwhile arrives.
                    await collector.stop()
                    with path.open("a") as file:
                        file.writelines(f"later {n}\n" for n in range(20))
                    again = make_collector({**config, "port": port})
                    await again.start(log)
                    try:
                        while b"later 19" not in (log.records("t")[-1].value or b""):
                            await asyncio.sleep(0.02)
                    finally:
                        await again.stop()
        finally:
            await collector.stop()

    asyncio.run(go())
    events = [json.loads(record.value or b"") for record in log.records("t")]
    assert [event["message"].strip() for event in events[:LINES]] == texts
    assert {(event["facility"], event["level"]) for event in events} == {("local3", "warning")}
    assert {event["program"] for event in events} == {"app"}
    assert {event["host"] for event in events} == {"web-7"}
    assert {dict(record.headers)["syslog.transport"] for record in log.records("t")} == {
        transport.encode()
    }
    assert not log.records("t.dlq")
