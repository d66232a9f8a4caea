"""Where the services' settings come from, the guide's names included."""

import subprocess
import sys
from pathlib import Path

import pytest

from summit.base.errors import Invalid
from summit.services.broker_options import broker_settings
from summit.services.settings import bootstrap_servers, service_settings
from summit.services.worker_options import worker_settings

NAMES = ("PORT", "BROKER_HOST", "BROKER_PORT", "DATA_DIR", "LOG_DIR", "BROKER_ID",
         "BOOTSTRAP_SERVERS", "SUMMIT_BOOTSTRAP_SERVERS")  # fmt: skip


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


def test_flag_before_environment_before_file_before_default(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert service_settings("streaming", 3000, {}).port == 3000
    (tmp_path / "summit.toml").write_text("[streaming]\nport = 3100\nworkers = 2\n")
    assert service_settings("streaming", 3000, {}).port == 3100
    monkeypatch.setenv("PORT", "3200")
    assert service_settings("streaming", 3000, {}).port == 3200
    monkeypatch.setenv("SUMMIT_STREAMING__PORT", "3300")
    assert service_settings("streaming", 3000, {}).port == 3300
    settings = service_settings("streaming", 3000, {"port": 0, "workers": None})
    assert (settings.port, settings.workers) == (0, 2)


@pytest.mark.parametrize(
    ("name", "value"),
    [("PORT", "http"), ("PORT", "70000"), ("SUMMIT_STREAMING__WORKERS", "-1"),
     ("SUMMIT_STREAMING__PORTT", "1")],
)  # fmt: skip
def test_wrong_values_are_refused(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(Invalid):
        service_settings("streaming", 3000, {})


def test_a_worker_s_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert worker_settings(["a:1"], {"guarantee": None}).guarantee_told == "exactly_once"
    (tmp_path / "summit.toml").write_text('[worker]\nguarantee = "at-least-once"\n')
    cheap = worker_settings(["a:1"], {"instance_id": "one"})
    assert (cheap.guarantee_told, cheap.servers, cheap.instance_id) == (
        "at_least_once", ["a:1"], "one"
    )  # fmt: skip
    assert (cheap.interval_ms(shared=False), cheap.interval_ms(shared=True)) == (1_000, 100)
    monkeypatch.setenv("SUMMIT_WORKER__COMMIT_INTERVAL_MS", "50")
    assert worker_settings(["a:1"], {}).interval_ms(shared=False) == 50
    assert worker_settings(["a:1"], {"guarantee": "exactly-once"}).guarantee == "exactly-once"
    monkeypatch.setenv("SUMMIT_WORKER__GUARANTEE", "at-most-once")
    with pytest.raises(Invalid, match="guarantee"):
        worker_settings(["a:1"], {})


def test_a_worker_does_not_load_the_broker() -> None:
    code = (
        "import sys, summit.services.worker_process, summit.services.worker_options;"
        "print(*[m for m in sys.modules if m.startswith(('summit.broker', 'summit.log.'))])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == ""


def test_the_embedded_broker_by_the_guide_s_names(monkeypatch: pytest.MonkeyPatch) -> None:
    assert broker_settings({}).auto_create_topics
    for name, value in (("DATA_DIR", "d"), ("LOG_DIR", "l1,l2"), ("BROKER_ID", "summit-12"),
                        ("BROKER_PORT", "9193")):  # fmt: skip
        monkeypatch.setenv(name, value)
    settings = broker_settings({"data_dir": None})
    assert (settings.data_dir, settings.broker_id, settings.port) == ("d", 12, 9193)
    assert list(settings.log_dirs) == ["l1", "l2"]
    assert broker_settings({"data_dir": "flag"}).data_dir == "flag"
    monkeypatch.setenv("BROKER_ID", "none")
    with pytest.raises(Invalid, match="BROKER_ID"):
        broker_settings({})


@pytest.mark.parametrize(
    ("env", "flag", "default", "expected"),
    [
        ({}, None, None, []),
        ({}, None, "localhost:9092", ["localhost:9092"]),
        ({"BROKER_HOST": "h"}, None, None, ["h:9092"]),
        ({"BROKER_HOST": "h", "BROKER_PORT": "1"}, None, None, ["h:1"]),
        ({"BROKER_PORT": "1"}, None, "localhost:9092", ["localhost:1"]),
        ({"BROKER_PORT": "1"}, None, None, []),  # the port of the broker that will be embedded
        ({"BOOTSTRAP_SERVERS": "a:1, b:2"}, None, None, ["a:1", "b:2"]),
        ({"BOOTSTRAP_SERVERS": "a:1", "SUMMIT_BOOTSTRAP_SERVERS": "c:3"}, None, None, ["c:3"]),
        ({"BOOTSTRAP_SERVERS": "a:1", "BROKER_HOST": "h"}, "f:1", "x:1", ["f:1"]),
    ],
)
def test_whom_to_dial(
    monkeypatch: pytest.MonkeyPatch,
    env: dict[str, str], flag: str | None, default: str | None, expected: list[str],
) -> None:  # fmt: skip
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    assert bootstrap_servers(flag, default=default) == expected
