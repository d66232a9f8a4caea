"""A real MQTT broker for tests: Debian's mosquitto, with a directory and a port of its own."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from paho.mqtt import client as paho

PROGRAM = shutil.which("mosquitto") or "/usr/sbin/mosquitto"


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


class Mosquitto:
    """One broker that may be killed and started again over what it has kept."""

    def __init__(self, directory: Path, *lines: str) -> None:
        self.port = free_port()
        self._child: subprocess.Popen[bytes] | None = None
        self._config = directory / "mosquitto.conf"
        self._config.write_text(
            "\n".join(
                [
                    f"listener {self.port} 127.0.0.1",
                    "allow_anonymous true" if not lines else "",
                    "persistence true",
                    f"persistence_location {directory}/",
                    "autosave_on_changes true", "autosave_interval 1",
                    "max_queued_messages 0",
                    "user root" if os.getuid() == 0 else "",
                    *lines, "",
                ]
            )
        )  # fmt: skip

    def start(self) -> None:
        if not Path(PROGRAM).exists():
            assert os.environ.get("CI") != "true", "mosquitto is missing"
            pytest.skip("mosquitto is not installed (apt-get install mosquitto)")
        self._child = subprocess.Popen(
            [PROGRAM, "-c", str(self._config)],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        for _ in range(3_000):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port)):
                return
            assert self._child.poll() is None, "mosquitto has ended"
            threading.Event().wait(0.01)
        raise AssertionError("mosquitto does not listen")

    def stop(self, *, kill: bool = False) -> None:
        child, self._child = self._child, None
        if child is not None:
            (child.kill if kill else child.terminate)()
            child.wait(30)


@contextlib.contextmanager
def publisher(port: int, **options: Any) -> Iterator[Any]:
    """A client whose `publish` waits for the broker's acknowledgement."""
    client = paho.Client(paho.CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)
    if "username" in options:
        client.username_pw_set(options["username"], options["password"])
    client.connect("127.0.0.1", port)
    client.loop_start()
    try:
        yield client
    finally:
        client.disconnect()
        client.loop_stop()


def publish(client: Any, topic: str, payload: bytes | str, qos: int = 1, **options: Any) -> None:
    client.publish(topic, payload, qos, **options).wait_for_publish(30)
