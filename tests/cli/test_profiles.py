"""Whom commands ask: flag > environment > profile > summit.toml > the user's file > default."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from tests.cli.running import summit

from summit.base.client_section import OF_COMMANDS
from summit.base.errors import Invalid
from summit.base.memory_files import MemoryFiles
from summit.broker import BrokerSettings, BrokerThread
from summit.cli.profiles import ClientSettings, client_settings, token
from summit.client.security import ClientSecurity

FILES = {
    "user": '[client]\nbootstrapServers = "user:1"\n[profiles.p]\nstreamingUrl = "http://user:2"\n',
    "summit.toml": '[client]\nbootstrapServers = "here:1"\n',
    "profile": '[profiles.p]\nbootstrapServers = "profile:1"\n[profiles.p.broker]\nport = 7\n',
}


def write(bare: Path, *which: str) -> None:
    home = bare.parent / "home" / "summit"
    home.mkdir(parents=True, exist_ok=True)
    (home / "config.toml").write_text(FILES["user"] if "user" in which else "")
    here = "".join(FILES[name] for name in ("summit.toml", "profile") if name in which)
    (bare / "summit.toml").write_text(here)


def asked(*flags: str) -> str:
    """The broker that a command would ask, told by its refusal to be reached."""
    done = summit(*flags, "config", "show", "--section", "client", "-o", "json")
    assert done.code == 0, done.err
    rows = {row["setting"]: row["value"] for row in json.loads(done.out)}
    return str(rows.get("bootstrapServers", "localhost:9092"))


def test_every_set_of_sources_obeys_the_order(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    order = {"environment": "env:1", "profile": "profile:1", "summit.toml": "here:1",
             "user": "user:1"}  # fmt: skip
    for count in range(len(order) + 1):
        for chosen in itertools.combinations(order, count):
            write(bare, *chosen)
            monkeypatch.delenv("SUMMIT_BOOTSTRAP_SERVERS", raising=False)
            if "environment" in chosen:
                monkeypatch.setenv("SUMMIT_BOOTSTRAP_SERVERS", "env:1")
            flags = ("--profile", "p") if "profile" in chosen else ()
            monkeypatch.setenv("SUMMIT_PROFILE", "")
            wanted = next((order[name] for name in order if name in chosen), "localhost:9092")
            assert asked(*flags) == wanted, chosen


def test_a_profile_of_two_files_is_one_and_has_sections(
    bare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(bare, "user", "summit.toml", "profile")
    monkeypatch.setenv("SUMMIT_PROFILE", "p")
    assert client_settings().streaming_url == "http://user:2"
    rows = json.loads(summit("config", "show", "--origin", "-o", "json").out)
    (port,) = [row for row in rows if row["setting"] == "port"]
    assert port == {
        "section": "broker", "setting": "port", "value": 7,
        "origin": "profile p of summit.toml",
    }  # fmt: skip


def test_a_profile_may_stand_in_the_file_and_one_that_is_nowhere_is_refused(bare: Path) -> None:
    (bare / "summit.toml").write_text('profile = "q"\n[profiles.q]\noutput = "json"\n')
    assert client_settings().output == "json"
    done = summit("--profile", "qq", "topic", "list")
    assert done.code == 3
    assert "did you mean 'q'" in done.err


def test_secrets_are_read_by_reference_and_never_shown(
    bare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (bare / "summit.toml").write_text('[client]\ntoken = "${SESAME}"\n')
    monkeypatch.setenv("SESAME", "s3cret")
    assert token() == "s3cret"
    monkeypatch.setenv("SUMMIT_TOKEN", "plain-s3cret")
    assert token() == "plain-s3cret"
    done = summit("config", "show", "--origin", "-o", "json")
    assert "s3cret" not in done.out + done.err
    assert json.loads(done.out)[0] | {"value": None} == {
        "section": "client", "setting": "token", "value": None, "origin": "SUMMIT_TOKEN",
    }  # fmt: skip


def test_who_is_asked_is_shown_with_its_blocks(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (bare / "summit.toml").write_text(
        '[security]\nrateLimit = 7\n[security.tls]\ncertFile = "here.pem"\n'
    )
    monkeypatch.setenv("SUMMIT_SECURITY__TLS__KEY_FILE", "key.pem")
    monkeypatch.setenv("SUMMIT_ADMIN_KEY", "s3cret" * 8)
    done = summit("config", "show", "--origin", "--section", "security", "-o", "json")
    assert done.code == 0, done.err
    rows = {row["setting"]: (row["value"], row["origin"]) for row in json.loads(done.out)}
    assert rows == {
        "adminKey": ("${SUMMIT_ADMIN_KEY}", "SUMMIT_ADMIN_KEY"),
        "rateLimit": (7.0, "summit.toml"), "tls.certFile": ("here.pem", "summit.toml"),
        "tls.keyFile": ("key.pem", "SUMMIT_SECURITY__TLS__KEY_FILE"),
    }  # fmt: skip
    (bare / "summit.toml").write_text('[security]\nadminKey = "s3cret-that-stands-here"\n')
    monkeypatch.delenv("SUMMIT_ADMIN_KEY")
    monkeypatch.delenv("SUMMIT_SECURITY__TLS__KEY_FILE")
    assert "s3cret" not in summit("config", "show", "--all", "-o", "json").out


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[clint]\n", "did you mean 'client'"),
        ("[broker]\nprot = 1\n", "did you mean 'port'"),
        ('[broker]\nport = "many"\n', "port"),
        ("[securty]\n", "did you mean 'security'"),
        ("[security]\nopn = true\n", "opn"),
        ("[client]\noutput = 'xml'\n", "not one of table"),
        ("broker = 1\n", "not a table"),
        ("[profiles]\nx = 1\n", "write profiles as tables"),
        ("[broker\n", "summit.toml"),
    ],
)
def test_what_is_wrong_is_named_with_what_to_do(bare: Path, text: str, said: str) -> None:
    (bare / "summit.toml").write_text(text)
    done = summit("config", "validate")
    assert done.code == 1
    assert said in done.out
    assert summit("doctor", "--offline").code == 1


def test_sound_files_and_none(bare: Path) -> None:
    assert summit("config", "validate").code == 0
    write(bare, "user", "summit.toml", "profile")
    done = summit("config", "validate")
    assert done.code == 0
    assert "summit.toml" in done.err


def test_how_one_is_known_to_brokers_stands_beside_whom_to_ask(
    bare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One section for both: neither reader stumbles over what is for the other."""
    write(bare)
    both = {field.name for field in msgspec.structs.fields(ClientSettings)}
    assert both - {field.name for field in msgspec.structs.fields(ClientSecurity)} == OF_COMMANDS
    for name, text in {
        "BOOTSTRAP_SERVERS": "127.0.0.1:1", "SECURITY_PROTOCOL": "SASL_PLAINTEXT",
        "SASL_USERNAME": "alice", "SASL_PASSWORD": "hunter2",
    }.items():  # fmt: skip
        monkeypatch.setenv(f"SUMMIT_CLIENT__{name}", text)
    assert client_settings().bootstrap_servers == "127.0.0.1:1"
    assert ClientSecurity.of_environment().sasl_username == "alice"
    shown = summit("config", "show")
    assert shown.code == 0
    assert "alice" in shown.out
    assert "hunter2" not in shown.out
    monkeypatch.setenv("SUMMIT_CLIENT__SASL_USRNAME", "bob")
    with pytest.raises(Invalid, match="SASL_USRNAME"):
        ClientSecurity.of_environment()


def test_a_profile_says_how_one_is_known_to_brokers(bare: Path) -> None:
    """The broker hears of the profile's user, whatever the address on the command line."""
    (bare / "summit.toml").write_text(
        '[profiles.p]\nsecurityProtocol = "SASL_PLAINTEXT"\nsaslMechanism = "SCRAM-SHA-256"\n'
        'saslUsername = "alice"\nsaslPassword = "hunter2"\n'
    )
    settings = BrokerSettings(
        listeners="SASL_PLAINTEXT://127.0.0.1:0", durability="os", data_dir="/memory",
        initial_user="alice", initial_password="hunter2",
    )  # fmt: skip
    broker = BrokerThread(settings, files=MemoryFiles())
    broker.start()
    try:
        asked = ("topic", "list", "-b", f"127.0.0.1:{broker.port}")
        # In processes of their own: the environment of this one stays as it is.
        for flags, is_known in ((("--profile", "p"), True), ((), False)):
            command = [sys.executable, "-m", "summit", *flags, *asked]
            ended = subprocess.run(command, cwd=bare, timeout=120, check=False)
            assert (ended.returncode == 0) == is_known
    finally:
        broker.stop()
