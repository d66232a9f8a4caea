"""`summit up` with a broker that asks who its clients are: all parts, commands and kcat."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.system.rest import Rest
from tests.system.running import Running
from tests.system.test_rest_correlation import ONE_STEP, seen

pytestmark = pytest.mark.slow

BROKER = {
    "SUMMIT_BROKER__LISTENERS": "SASL_PLAINTEXT://127.0.0.1:0",
    "SUMMIT_BROKER__AUTHORIZER": "acl",
    "SUMMIT_BROKER__INITIAL_USER": "alice", "SUMMIT_BROKER__INITIAL_PASSWORD": "hunter2",
}  # fmt: skip


def summit(
    *arguments: str, user: str = "alice", password: str = "hunter2", given: str = ""
) -> subprocess.CompletedProcess[str]:
    known_as = {
        "SUMMIT_CLIENT__SECURITY_PROTOCOL": "SASL_PLAINTEXT",
        "SUMMIT_CLIENT__SASL_USERNAME": user, "SUMMIT_CLIENT__SASL_PASSWORD": password,
    }  # fmt: skip
    return subprocess.run(
        [sys.executable, "-m", "summit", *arguments],
        capture_output=True, text=True, timeout=90, check=False, input=given,
        env={**os.environ, **known_as},
    )  # fmt: skip


def test_everything_works_and_nobody_else_comes_in(tmp_path: Path) -> None:
    arguments = ("up", "--port", "0", "--workers", "1", "--data-dir", str(tmp_path / "data"))
    with Running(*arguments, env=BROKER, cwd=tmp_path) as up:
        servers = up.ready["broker"]
        rest = Rest(up.ready["correlation"])
        assert rest("POST", "/api/patterns", ONE_STEP)[0] == 200
        assert rest("POST", "/api/events", seen("u", eventId="1"))[0] == 200
        assert rest("GET", "/api/alerts?key=u")[1]["count"] == 1

        made = summit("user", "create", "bob", "-b", servers, given="secret\n")
        assert made.returncode == 0, made.stderr
        bob = {"user": "bob", "password": "secret"}
        denied = summit("user", "list", "-b", servers, **bob)
        assert denied.returncode == 1
        assert "AUTHORIZATION_FAILED" in denied.stderr
        rule = ("--principal", "User:bob", "--topic", "alerts")
        done = summit("acl", "create", *rule, "--operation", "read", "-b", servers)
        assert done.returncode == 0, done.stderr
        rules = json.loads(summit("acl", "list", *rule, "-b", servers, "-o", "json").stdout)
        assert [(each["operation"], each["name"]) for each in rules] == [("read", "alerts")]
        listed = summit("user", "list", "-b", servers, "-o", "json")
        assert [row["user"] for row in json.loads(listed.stdout)] == ["alice", "bob"]
        wrong = summit("topic", "list", "-b", servers, password="wrong")
        assert wrong.returncode == 4
        assert "the password is wrong" in wrong.stderr
        if shutil.which("kcat"):
            found = subprocess.run(
                ["kcat", "-b", servers, "-X", "security.protocol=SASL_PLAINTEXT",
                 "-X", "sasl.mechanism=SCRAM-SHA-256", "-X", "sasl.username=bob",
                 "-X", "sasl.password=secret", "-C", "-t", "alerts", "-e", "-q"],
                capture_output=True, timeout=90, check=True,
            )  # fmt: skip
            assert found.stdout.count(b"\n") == 1
        assert summit("acl", "delete", *rule, "-b", servers).returncode == 0
        assert json.loads(summit("acl", "list", "-b", servers, "-o", "json").stdout) == []
        assert summit("user", "delete", "bob", "-b", servers).returncode == 0
        gone = summit("topic", "list", "-b", servers, **bob)
        assert gone.returncode == 4
