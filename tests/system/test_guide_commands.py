"""The guide's two start commands side by side, with the guide's environment names."""

import time
from pathlib import Path

from tests.system.running import Running, call
from tests.system.test_up import PATTERN, event


def test_streaming_embeds_a_broker_that_correlation_dials(tmp_path: Path) -> None:
    env = {"PORT": "0", "DATA_DIR": str(tmp_path / "data"), "LOG_DIR": str(tmp_path / "logs"),
           "BROKER_ID": "summit-7", "BROKER_PORT": "0"}  # fmt: skip
    with Running("streaming", "--workers", "0", env=env) as streaming:
        assert (tmp_path / "logs").is_dir()
        host, _, port = streaming.ready["broker"].rpartition(":")
        dial = {"PORT": "0", "BROKER_HOST": host, "BROKER_PORT": port}
        with Running("correlation", env=dial) as correlation:
            _use(streaming.ready["streaming"], correlation.ready["correlation"])
        other = {"PORT": "0", "BOOTSTRAP_SERVERS": f"{host}:{port}"}
        with Running("correlation", "--workers", "0", env=other) as again:
            assert call("GET", f"{again.ready['correlation']}/api/alerts")[1]["count"] == 1


def _use(streaming: str, correlation: str) -> None:
    assert call("GET", f"{streaming}/health")[1]["brokerId"] == 7
    health = call("GET", f"{correlation}/health")[1]
    assert health["service"] == "event-correlation-service"
    assert call("POST", f"{streaming}/api/cep/patterns", PATTERN)[0] == 200
    now_ms = int(time.time() * 1000)
    for number, kind in enumerate(("auth.login.failed", "auth.login.success")):
        status, _ = call("POST", f"{correlation}/api/events", event(f"{number}", kind, now_ms))
        assert status == 200
    assert call("GET", f"{correlation}/api/alerts")[1]["count"] == 1
    reply = call("POST", f"{correlation}/api/events?wait=false", event("9", "x.y", now_ms))
    assert (reply[0], reply[1]["status"]) == (202, "accepted")


def test_without_a_worker_the_event_is_stored_and_the_caller_is_told(tmp_path: Path) -> None:
    env = {"PORT": "0", "DATA_DIR": str(tmp_path / "data"), "BROKER_PORT": "0"}
    with Running("streaming", "--workers", "0", env=env) as streaming:
        dial = {"PORT": "0", "BOOTSTRAP_SERVERS": streaming.ready["broker"],
                "SUMMIT_CORRELATION__RESPONSE_TIMEOUT_MS": "300"}  # fmt: skip
        with Running("correlation", "--workers", "0", env=dial) as correlation:
            url = f"{correlation.ready['correlation']}/api/events"
            status, problem = call("POST", url, event("1", "a.b", 1_700_000_000_000))
            assert (status, problem["code"]) == (503, "event.not_matched_yet")
            path = f"{streaming.ready['streaming']}/api/consume/events/0"
            assert call("GET", path)[1]["count"] == 1


def test_a_service_whose_broker_is_away_fails_with_1(tmp_path: Path) -> None:
    env = {"PORT": "0", "BOOTSTRAP_SERVERS": "127.0.0.1:9"}
    lonely = Running("correlation", "--workers", "0", env=env)
    assert lonely.line(60) is None
    assert lonely.process.wait(30) == 1
