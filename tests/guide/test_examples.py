"""The guide's snippets in Python: each runs as it stands, and says what the guide promises."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest
from tests.guide.test_06_enrichment import api_url
from tests.sources.mmdb import mmdb

__all__ = ["api_url"]

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "examples" / "guide"
# What each says; those of the first table dial the broker that the environment names.
WITH_A_BROKER = {
    "topics_and_records": ["Message produced to partition", "Received event: entity.created"],
    "collectors": [
        '"status":"ok","accepted":1', 'WebSocket: {"ack":"1"',
        "raw-events: {'eventType': 'sensor.read', 'n': 1}", "realtime-events: {'id': '1'",
    ],
    "tuning": [
        "Processed 5000, committed 5000", "Messages In/Sec: ", "Bytes Out/Sec: ",
        "Under-replicated Partitions: 0",
    ],
}  # fmt: skip
ALONE = {
    "pattern": [
        "there is no groupBy", "Waits for step2 until 61000",
        "Pattern matched: Suspicious Activity Detection", "Events: 2",
        "ALERT: Pattern Match: Suspicious Activity Detection [high]",
    ],
    "enrichment": ["Enriched data: {'assets': {'owner': 'ann', 'critical': True}"],
    "transformation": ["1769846400000 an***********xample.com"],
    "analytics": ["login-metrics: DE (phone): {'login_count': 20, 'avg_duration': 109.5, "],
    "anomaly": ["Value: 1000, Expected: 101.0", "Severity: critical", "'bytes': 90000"],
    "correlation": [
        "Correlated 2 events for rule: User Session Correlation",
        "Correlated 3 events for rule: Around one intruder", "malware by host web1",
        "exfiltration by address 203.0.113.7",
    ],
}  # fmt: skip
ELSEWHERE = {"rest_calls"}  # needs both services: tests/system/test_rest_correlation.py


@pytest.fixture(autouse=True)
def surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the examples ask the environment for."""
    for name in ("SUMMIT_GEOIP_DATABASE", "THREAT_INTEL_API_URL", "SUMMIT_BOOTSTRAP_SERVERS"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HTTP_PORT", "WS_PORT"):  # the guide's ports may be taken
        monkeypatch.setenv(name, "0")


def run(name: str, capsys: pytest.CaptureFixture[str]) -> str:
    """What an example prints."""
    runpy.run_path(str(FOLDER / f"{name}.py"), run_name="__main__")
    return capsys.readouterr().out


def test_each_example_is_tried_and_listed() -> None:
    readme = (FOLDER / "README.md").read_text(encoding="utf-8")
    names = {path.stem for path in FOLDER.glob("*.py")}
    assert names == {*WITH_A_BROKER, *ALONE, *ELSEWHERE}
    assert all(f"`{name}.py`" in readme for name in names)


def test_each_test_that_the_table_names_is_there() -> None:
    readme = (FOLDER / "README.md").read_text(encoding="utf-8")
    named = re.findall(r"`(tests/[\w/]+\.py)`", readme)
    assert len(named) > 15
    assert [path for path in named if not (ROOT / path).is_file()] == []


@pytest.mark.parametrize("name", [*WITH_A_BROKER, *ALONE])
def test_an_example_runs(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    said = run(name, capsys)
    for text in (WITH_A_BROKER | ALONE)[name]:
        assert text in said


@pytest.mark.cluster
def test_those_with_a_broker_run_on_a_cluster(
    clean_cluster: list[str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SUMMIT_BOOTSTRAP_SERVERS", ",".join(clean_cluster))
    for name, texts in WITH_A_BROKER.items():
        said = run(name, capsys)
        for text in texts:
            assert text in said


def test_enrichment_by_a_geo_database_and_an_api(
    api_url: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    database = tmp_path / "city.mmdb"
    country = {"country": {"iso_code": "DE", "names": {"en": "Germany"}}}
    database.write_bytes(mmdb({"5.0.0.0/8": country}))
    monkeypatch.setenv("SUMMIT_GEOIP_DATABASE", str(database))
    monkeypatch.setenv("THREAT_INTEL_API_URL", api_url)
    monkeypatch.setenv("THREAT_INTEL_API_KEY", "the-key")
    login, connection = run("enrichment", capsys).splitlines()
    assert "'geo-enrichment': {'country': 'Germany', 'countryCode': 'DE'}" in login
    assert "'threat-intel-enrichment': {'threat': 'botnet', 'authorized': True}" in connection
