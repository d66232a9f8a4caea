"""The guide's snippets in Python: each runs as it stands, and says what the guide promises."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "examples" / "guide"
SAYS = {
    "topics_and_records": ["Message produced to partition", "Received event: entity.created"],
    "pattern": [
        "there is no groupBy", "Waits for step2 until 61000",
        "Pattern matched: Suspicious Activity Detection", "Events: 2",
        "ALERT: Pattern Match: Suspicious Activity Detection [high]",
    ],
    "enrichment": ["Enriched data: {'owner': 'ann', 'critical': True}"],
    "transformation": ["1769846400000 an***********xample.com"],
    "analytics": ["login-metrics: DE (phone): {'login_count': 20, 'avg_duration': 109.5, "],
    "anomaly": ["Value: 1000, Expected: 101.0", "Severity: critical", "'bytes': 90000"],
    "correlation": [
        "Correlated 2 events for rule: User Session Correlation",
        "Correlated 3 events for rule: Around one intruder", "malware by host web1",
        "exfiltration by address 203.0.113.7",
    ],
}  # fmt: skip


def test_each_example_is_tried_and_listed() -> None:
    readme = (FOLDER / "README.md").read_text(encoding="utf-8")
    names = {path.stem for path in FOLDER.glob("*.py")}
    assert names == set(SAYS)
    assert all(f"`{name}.py`" in readme for name in names)


@pytest.mark.parametrize("name", SAYS)
def test_an_example_runs(
    name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SUMMIT_GEOIP_DATABASE", raising=False)
    runpy.run_path(str(FOLDER / f"{name}.py"), run_name="__main__")
    said = capsys.readouterr().out
    for text in SAYS[name]:
        assert text in said
