"""Who may ask what: the table against the routes, and every role against every route, for real."""

from __future__ import annotations

import http.client
import json
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
import pytest
from tests.services.running import Services, services

from summit.base.errors import Invalid
from summit.base.secrets import read_secret
from summit.identity import ROLES, AuditEntry
from summit.journal.topics import AUDIT_TOPIC, KEYS_TOPIC
from summit.services.access import ACCESS, Access, access_of
from summit.services.correlation import CorrelationService
from summit.services.node import Node
from summit.services.security import SecuritySettings, security_settings
from summit.services.streaming import StreamingService

ADMIN_KEY = "the-admin-key-of-these-tests-is-long-enough"
WHO = ("nobody", *ROLES[1:])


def _routes(service: str) -> list[tuple[str, str]]:
    """The routes of a service; nothing is connected for that."""
    node = Node(["localhost:1"], runs_collectors=False, notifies=False)
    made: Any = StreamingService(node, None) if service == "streaming" else None  # type: ignore[arg-type]
    made = made or CorrelationService(node, None)  # type: ignore[arg-type]
    return [(method, path) for method, path in made.routes().listed()]


# What handlers read before they know the topic; nothing of it comes about.
_BODIES = {
    "/api/produce": {"topic": "none", "value": 1},
    "/api/topics": {"name": "x y"},
    "/api/produce/batch": {"records": [{"topic": "none", "value": 1}]},
}
ROUTES = [(s, method, path) for s in ("streaming", "correlation") for method, path in _routes(s)]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    patch = pytest.MonkeyPatch()
    patch.setenv("SUMMIT_ADMIN_KEY", ADMIN_KEY)
    with services(
        tmp_path_factory.mktemp("security") / "data",
        SecuritySettings(admin_key="${SUMMIT_ADMIN_KEY}", rate_limit=1e6),
    ) as found:
        yield found
    patch.undo()


@pytest.fixture(scope="module")
def keys(running: Services) -> dict[str, str | None]:
    """A key for each role; nobody has none."""
    made: dict[str, str | None] = {"nobody": None}
    for role in ROLES[1:]:
        body = {"name": f"a {role}", "role": role}
        status, answer, _ = running.ask("streaming", "POST", "/api/keys", ADMIN_KEY, body)
        assert status == 201, answer
        made[role] = answer["key"]
    return made


def test_every_route_stands_in_the_table_and_every_row_is_one() -> None:
    routes = {(method, path.replace("/api/v1/", "/api/")) for _, method, path in ROUTES}
    # What several processes have in common stands once; workers have the first three alone.
    assert routes - set(ACCESS) == set()
    assert {row for row in ACCESS if row not in routes} == set()
    assert access_of("GET", "/api/v1/alerts") == Access("viewer")
    assert access_of("GET", "/api/nothing").role == "admin"


@pytest.mark.parametrize("who", WHO)
@pytest.mark.parametrize("service", ["streaming", "correlation"])
def test_each_role_at_each_route(
    running: Services, keys: dict[str, str | None], service: str, who: str
) -> None:
    """Whoever may is answered by the handler, whatever it says; the others by 401 or 403."""
    for of, method, path in ROUTES:
        if of != service or path.endswith("/live"):
            continue
        row = access_of(method, path)
        asked = path.replace("{topic}/{partition}", "none/0")
        asked = re.sub(r"\{[a-z]+\}", "none", asked)
        body: Any = _BODIES.get(path, {})
        status, answer, _ = running.ask(
            service, method, asked, keys[who], body if method in ("POST", "PUT", "PATCH") else None
        )
        expected = _expected(row, who)
        got = status if status in (401, 403) else 200
        assert got == expected, (method, path, who, answer)
        if expected != 200:
            assert answer["code"] == ("auth.required" if expected == 401 else "auth.forbidden")


def _expected(row: Access, who: str) -> int:
    if row.role == "public":
        return 200
    if who == "nobody":
        return 401
    if row.action:
        needed = "viewer" if row.action == "read" else "operator"
    else:
        needed = "none" if row.role == "any" else row.role
    return 200 if ROLES.index(who) >= ROLES.index(needed) else 403


def test_grants_reach_as_far_as_their_prefix(running: Services) -> None:
    for name in ("orders.eu", "orders.us", "payments"):
        body = {"name": name, "partitions": 1, "replicationFactor": 1}
        assert running.ask("streaming", "POST", "/api/topics", ADMIN_KEY, body)[0] == 200
    body = {"name": "orders", "role": "none", "grants": ["read:orders.*", "produce:orders.eu"]}
    key = running.ask("streaming", "POST", "/api/keys", ADMIN_KEY, body)[1]["key"]

    def ask(method: str, path: str, body: Any = None) -> int:
        return running.ask("streaming", method, path, key, body)[0]

    assert ask("POST", "/api/produce", {"topic": "orders.eu", "value": "a"}) == 200
    assert ask("POST", "/api/produce", {"topic": "orders.us", "value": "a"}) == 403
    assert ask("POST", "/api/produce", {"topic": "_summit.keys", "value": "a"}) == 403
    assert ask("GET", "/api/consume/orders.us/0") == 200
    assert ask("GET", "/api/consume/payments/0") == 403
    assert ask("GET", "/api/consume/none-such/0") == 403  # what is not there is not told either
    assert ask("GET", "/api/topics/orders.eu") == 200
    assert ask("DELETE", "/api/topics/orders.eu") == 403
    listed = running.ask("streaming", "GET", "/api/topics?internal=true", key)[1]
    assert [topic["name"] for topic in listed["topics"]] == ["orders.eu", "orders.us"]
    # Two topics in one body: the handler and the check read the same one.
    for first, second, status in (("orders.eu", "payments", 403), ("payments", "orders.eu", 200)):
        text = f'{{"topic":"{first}","value":"x","topic":"{second}"}}'
        assert _raw(running, "POST", "/api/produce", key, text) == status
    found = running.ask("streaming", "GET", "/api/consume/payments/0", ADMIN_KEY)[1]
    assert found["count"] == 0


@pytest.mark.parametrize("topic", ["_summit.keys", "_summit.audit", "__cluster_metadata"])
def test_internal_topics_are_for_admins(
    running: Services, keys: dict[str, str | None], topic: str
) -> None:
    path = f"/api/consume/{topic}/0"
    assert running.ask("streaming", "GET", path, keys["operator"])[0] == 403
    assert running.ask("streaming", "GET", path, keys["admin"])[0] != 403
    assert running.ask("streaming", "GET", f"/api/topics/{topic}", keys["operator"])[0] == 403


def test_a_key_is_told_once_and_revoked_at_once(running: Services) -> None:
    body = {"name": "short", "role": "viewer", "expiresIn": "90d"}
    status, made, headers = running.ask("streaming", "POST", "/api/keys", ADMIN_KEY, body)
    assert (status, headers["cache-control"]) == (201, "no-store")
    key, name = made["key"], made["id"]
    assert key.startswith(f"sk_summit_{name}_")
    for path in ("/api/keys", f"/api/keys/{name}"):
        told = json.dumps(running.ask("streaming", "GET", path, ADMIN_KEY)[1])
        assert name in told
        assert key not in told
        assert "digest" not in told
    assert running.ask("correlation", "GET", "/api/whoami", key)[1] == {
        "name": "short", "kind": "key", "role": "viewer", "grants": None, "keyId": name,
        "expiresAt": made["expiresAt"],
    }  # fmt: skip
    assert running.ask("correlation", "DELETE", f"/api/keys/{name}", ADMIN_KEY)[0] == 200
    status, answer, headers = running.ask("streaming", "GET", "/api/alerts", key)
    assert (status, answer["code"]) == (401, "auth.refused")
    assert headers["www-authenticate"].startswith("Bearer")
    assert "revoked" in answer["detail"]
    kept = running.ask("streaming", "GET", f"/api/consume/{KEYS_TOPIC}/0", ADMIN_KEY)[1]
    assert key.rpartition("_")[2] not in json.dumps(kept)


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"name": "x", "role": "root"}, "/role"),
        ({"name": "", "role": "viewer"}, "/name"),
        ({"name": "x", "role": "none"}, "/grants"),
        ({"name": "x", "role": "admin", "grants": ["read:a"]}, "/grants"),
        ({"name": "x", "role": "none", "grants": ["write:a"]}, "/grants/0"),
        ({"name": "x", "role": "none", "grants": ["read:_summit.keys"]}, "/grants/0"),
        ({"name": "x", "expiresAt": "yesterday"}, "/expiresAt"),
        ({"name": "x", "expiresAt": 1}, "/expiresAt"),
        ({"name": "x", "expiresAt": 1, "expiresIn": "1d"}, "/expiresIn"),
    ],
)
def test_keys_that_cannot_be_made(running: Services, body: Any, pointer: str) -> None:
    status, answer, _ = running.ask("streaming", "POST", "/api/keys", ADMIN_KEY, body)
    assert (status, answer["errors"][0]["pointer"]) == (400, pointer), answer


def test_secrets_of_definitions_are_not_told(
    running: Services, keys: dict[str, str | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("summit.services.definition_routes.ACTIVE_TIMEOUT_MS", 1)
    rule = {
        "id": "asks", "eventType": "*", "enrichmentType": "api",
        "config": {"apiUrl": "https://api.example.org/x", "keyField": "u", "apiKey": "hush-1",
                   "headers": {"Authorization": "Bearer hush-2", "Accept": "text/plain"}},
    }  # fmt: skip
    status, answer, _ = running.ask(
        "streaming", "POST", "/api/enrichment/rules", keys["operator"], rule
    )
    assert status == 200, answer
    for path in ("/api/enrichment/rules", "/api/enrichment/rules/asks"):
        told = running.ask("streaming", "GET", path, keys["viewer"])[1]
        assert "hush" not in json.dumps(told)
    assert told["config"]["headers"] == {"Authorization": "***", "Accept": "text/plain"}
    rule = {**told, "config": {**told["config"], "apiKey": "${KEY}"}}
    rule = {name: rule[name] for name in ("id", "eventType", "enrichmentType", "config")}
    status, answer, _ = running.ask(
        "streaming", "POST", "/api/enrichment/rules", keys["operator"], rule
    )
    assert (status, answer["errors"][0]["pointer"]) == (400, "/config/headers/Authorization")


HOSTILE = [
    "//api/keys", "/api//keys", "/api/keys/", "/api/./keys", "/health/../api/keys", "/api/%6beys",
    "/api%2fkeys", "/%61pi/keys", "/api/keys;x=/health", "/api/keys?x=/health", "/API/keys",
    "/api/keys%00", "/health%2f..%2fapi%2fkeys", "http://localhost/api/keys", "/api/v1/keys",
]  # fmt: skip


@pytest.mark.parametrize("path", HOSTILE)
@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "POST", "TRACE", "get"])
def test_no_way_of_writing_a_path_leads_past_the_gate(
    running: Services, keys: dict[str, str | None], path: str, method: str
) -> None:
    assert _raw(running, method, path, None) in (400, 401, 404, 405)
    assert _raw(running, method, path, keys["viewer"]) in (400, 403, 404, 405)


@pytest.mark.parametrize(
    "headers",
    [
        {"X-HTTP-Method-Override": "GET"}, {"X-Original-URL": "/health"},
        {"X-Rewrite-URL": "/health"}, {"X-Forwarded-For": "127.0.0.1"},
        {"X-Forwarded-User": "admin"}, {"Forwarded": "for=127.0.0.1"},
        {"Authorization": "Basic YWRtaW46YWRtaW4="}, {"Authorization": "Bearer"},
        {"Authorization": "Bearer " + "a" * 30_000}, {"Authorization": "Bearer sk_summit_"},
        {"Authorization": "Bearer sk_summit__"}, {"X-API-Key": ""}, {"X-API-Key": "admin"},
        {"Authorization": "Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZG1pbiJ9."},
        {"Cookie": "session=admin"}, {"Authorization": "Bearer \xff\xfe"},
    ],
)  # fmt: skip
def test_no_header_makes_somebody_of_nobody(running: Services, headers: dict[str, str]) -> None:
    status = running.ask("streaming", "DELETE", "/api/keys/x", headers=headers)[0]
    assert status in (401, 429)


def test_two_credentials_are_none(running: Services, keys: dict[str, str | None]) -> None:
    both = {"X-API-Key": str(keys["viewer"])}
    status, answer, _ = running.ask("streaming", "GET", "/api/alerts", ADMIN_KEY, headers=both)
    assert (status, answer["code"]) in ((401, "auth.refused"), (429, "auth.throttled"))
    assert running.ask("correlation", "GET", "/api/alerts", headers=both)[0] == 200


def test_pages_of_other_sites_ask_nothing(running: Services) -> None:
    for headers in ({"Origin": "https://evil.example"}, {"Origin": "null"},
                    {"Sec-Fetch-Site": "cross-site"}):  # fmt: skip
        status, answer, told = running.ask(
            "streaming", "POST", "/api/collectors/x/stop", ADMIN_KEY, headers=headers
        )
        assert (status, answer["code"]) == (403, "auth.origin")
        assert "access-control-allow-origin" not in told
    place = urlsplit(running.urls["streaming"])
    same = {"Origin": f"http://{place.netloc}"}
    assert running.ask("streaming", "GET", "/api/topics", ADMIN_KEY, headers=same)[0] == 200


def test_answers_have_the_headers_of_safety(running: Services) -> None:
    for path in ("/health", "/api/topics", "/nothing"):
        told = running.ask("streaming", "GET", path, ADMIN_KEY)[2]
        assert told["x-content-type-options"] == "nosniff"
        assert "frame-ancestors 'none'" in told["content-security-policy"]
        assert told["x-request-id"]
        assert "server" not in told
        assert "strict-transport-security" not in told
        assert int(told["x-ratelimit-limit"]) >= int(told["x-ratelimit-remaining"])


def test_changes_and_refusals_are_told(running: Services, keys: dict[str, str | None]) -> None:
    asked = {"X-Request-ID": "told-1"}
    name = {"name": "told", "partitions": 1, "replicationFactor": 1}
    assert running.ask("streaming", "POST", "/api/topics", keys["operator"], name, asked)[0] == 200
    entries = _audit(running)  # it is durable before the answer
    entry = next(each for each in entries if each.request_id == "told-1")
    assert (entry.by, entry.role, entry.outcome) == ("a operator", "operator", "done")
    assert (entry.action, entry.address) == ("POST /api/topics", "127.0.0.1")
    asked = {"X-Request-ID": "told-2"}
    assert (
        running.ask("streaming", "DELETE", "/api/topics/told", keys["viewer"], None, asked)[0]
        == 403
    )
    running.run(lambda component: component._node.audit._drained())
    entry = next(each for each in _audit(running) if each.request_id == "told-2")
    assert (entry.outcome, entry.status, entry.target) == ("refused", 403, "told")
    text = msgspec.json.encode(_audit(running)).decode()
    assert all(str(key) not in text for key in keys.values() if key)
    assert ADMIN_KEY not in text


def _audit(running: Services) -> list[AuditEntry]:
    found: list[AuditEntry] = []
    at = 0
    while True:
        path = f"/api/consume/{AUDIT_TOPIC}/0?offset={at}&max=1000"
        answer = running.ask("streaming", "GET", path, ADMIN_KEY)[1]
        for message in answer["messages"]:
            value = message["value"]
            value = value if isinstance(value, str) else json.dumps(value)
            found.append(msgspec.json.decode(value, type=AuditEntry))
        if not answer["messages"]:
            return found
        at = answer["nextOffset"]


def _raw(running: Services, method: str, path: str, key: str | None, body: str = "") -> int:
    """The status of a request whose line is written as it stands; 400 where it is no answer."""
    place = urlsplit(running.urls["streaming"])
    head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
    head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    head += f"Authorization: Bearer {key}\r\n" if key else ""
    with socket.create_connection((place.hostname, place.port), 30) as sock:
        sock.sendall(f"{head}\r\n{body}".encode())
        answer = http.client.HTTPResponse(sock, method=method)
        try:
            answer.begin()
        except http.client.HTTPException:
            return 400
        return answer.status


# ---- settings ----


@pytest.mark.parametrize(
    ("values", "host", "asks", "starts"),
    [
        ({}, "127.0.0.1", False, True),
        ({}, "0.0.0.0", True, False),
        ({"insecure": True}, "0.0.0.0", False, True),
        ({"authentication": "required"}, "0.0.0.0", True, True),
        ({"authentication": "none"}, "0.0.0.0", False, False),
        ({"authentication": "none"}, "localhost", False, True),
        ({"authentication": "required"}, "::1", True, True),
        ({"admin_key": "${SUMMIT_ADMIN_KEY}"}, "127.0.0.1", True, True),
        ({"admin_key": "${SUMMIT_ADMIN_KEY}", "insecure": True}, "0.0.0.0", True, True),
    ],
)
def test_who_is_asked_where(values: Any, host: str, asks: bool, starts: bool) -> None:
    settings = SecuritySettings(**values)
    assert settings.asks(host) is asks
    if starts:
        settings.check_bind("the service", host)
        return
    with pytest.raises(Invalid) as refused:
        settings.check_bind("the service", host)
    assert refused.value.code == "auth.open_bind"
    assert "SUMMIT_ADMIN_KEY" in refused.value.advice


def test_settings_come_from_file_and_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SUMMIT_ADMIN_KEY", raising=False)
    (tmp_path / "summit.toml").write_text(
        '[security]\nrate_limit = 5\n[security.tls]\ncert_file = "a.pem"\nclient_ca_file = "ca"\n'
        '[[security.certificates]]\nsubject = "CN=c1"\nrole = "operator"\n'
    )
    monkeypatch.setenv("SUMMIT_SECURITY__TLS__CERT_FILE", "b.pem")
    monkeypatch.setenv("SUMMIT_SECURITY__CORS_ORIGINS", "https://a.example, https://b.example")
    found = security_settings()
    assert found.tls is not None
    assert (found.tls.cert_file, found.tls.client_ca_file, found.rate_limit) == ("b.pem", "ca", 5)
    assert found.cors_origins == ["https://a.example", "https://b.example"]
    assert found.certificates[0].role == "operator"
    assert found.has_means
    (tmp_path / "key").write_text("k" * 40 + "\n")
    monkeypatch.setenv("SUMMIT_ADMIN_KEY_FILE", str(tmp_path / "key"))
    assert security_settings().read_admin_key() == b"k" * 40
    (tmp_path / "key").write_text("short")
    with pytest.raises(Invalid, match="shorter than"):
        security_settings().read_admin_key()
    monkeypatch.setenv("SUMMIT_SECURITY__CORS_ORIGINS", "*")
    with pytest.raises(Invalid, match="origin"):
        security_settings()


def test_no_document_names_what_makes_an_admin(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Whoever may write documents could have it sent to an address of their own."""
    (tmp_path / "key").write_text("k" * 40)
    (tmp_path / "safe").mkdir()
    (tmp_path / "safe" / "token").write_text("t")
    (tmp_path / "safe" / "link").symlink_to(tmp_path / "key")
    monkeypatch.setenv("SUMMIT_ADMIN_KEY", ADMIN_KEY)
    monkeypatch.setenv("SUMMIT_ADMIN_KEY_FILE", str(tmp_path / "key"))
    monkeypatch.setenv("SUMMIT_CLIENT__SASL_PASSWORD", "inner")
    for name in ("${SUMMIT_ADMIN_KEY}", "${SUMMIT_CLIENT__SASL_PASSWORD}",
                 f"file:{tmp_path}/key", f"file:{tmp_path}/safe/../key",
                 f"file:{tmp_path}/safe/link"):  # fmt: skip
        with pytest.raises(Invalid, match="not for documents"):
            read_secret(name)
    with pytest.raises(Invalid, match="no file of a disk"):
        read_secret("file:/proc/self/environ")
    monkeypatch.setenv("SUMMIT_SECRETS_DIR", str(tmp_path / "safe"))
    assert read_secret(f"file:{tmp_path}/safe/token") == b"t"
    (tmp_path / "other").write_text("o")
    for name in (f"file:{tmp_path}/other", f"file:{tmp_path}/safe/../other", "file:/etc/passwd"):
        with pytest.raises(Invalid, match="SUMMIT_SECRETS_DIR"):
            read_secret(name)


def test_grants_hold_what_definitions_write_and_copy(running: Services) -> None:
    """An operator of one prefix makes nothing that writes elsewhere, nor stops what does."""
    body = {
        "name": "team a", "role": "operator",
        "grants": ["read:team-a.", "produce:team-a.", "admin:team-a."],
    }  # fmt: skip
    key = running.ask("streaming", "POST", "/api/keys", ADMIN_KEY, body)[1]["key"]

    def ask(method: str, path: str, body: Any = None, who: str = key) -> tuple[int, str]:
        service = "correlation" if path.startswith(("/api/notif", "/api/analytics")) else (
            "streaming"
        )  # fmt: skip
        status, answer, _ = running.ask(service, method, path, who, body)
        return status, answer.get("code", "") if isinstance(answer, dict) else ""

    refused = (403, "auth.forbidden")
    rule = {"id": "r", "where": "a == 1"}
    http = {"name": "c", "type": "http", "port": 0, "enabled": False}
    foreign: list[tuple[str, dict[str, Any]]] = [
        ("/api/collectors", {**http, "topic": "team-b.in"}),
        ("/api/collectors", {**http, "topic": "team-a.in", "allowedTopics": ["team-a.*", "t*"]}),
        ("/api/collectors", {**http, "topic": "_summit.alert-state"}),
        ("/api/routes", {**rule, "topics": ["team-a.*"], "topic": ["team-a.x", "team-b.x"]}),
        ("/api/routes", {**rule, "topics": ["team-b.in"], "topic": "team-a.x"}),
        ("/api/routes", {**rule, "topic": "team-a.x"}),
        ("/api/notifications", {"id": "n", "type": "topic", "config": {"topic": "team-b.x"}}),
        ("/api/analytics/queries", {
            "id": "q", "topics": ["team-a.*"], "topic": "team-b.x",
            "window": {"type": "tumbling", "size": "1m"},
            "metrics": [{"name": "n", "function": "count"}],
        }),
    ]  # fmt: skip
    for path, document in foreign:
        assert ask("POST", path, document) == refused, (path, document)
    route = {"id": "r", "where": "a == 1", "topics": ["team-a.*"], "topic": "team-a.x"}
    assert ask("POST", "/api/routes", route)[0] == 200
    assert ask("POST", "/api/collectors", {**http, "topic": "team-a.in"})[0] == 200
    assert ask("PATCH", "/api/collectors/c", {"topic": "team-b.in"}) == refused
    assert ask("PATCH", "/api/collectors/c", {"tags": ["x"]})[0] == 200
    # What others have made is theirs.
    other = {**http, "name": "d", "topic": "team-b.in"}
    assert ask("POST", "/api/collectors", other, ADMIN_KEY)[0] == 200
    for method, path in (
        ("DELETE", "/api/collectors/d"), ("POST", "/api/collectors/d/start"),
        ("POST", "/api/collectors/d/pause"), ("DELETE", "/api/collectors/d"),
    ):  # fmt: skip
        assert ask(method, path) == refused, path
    assert ask("PUT", "/api/collectors/d", {**other, "topic": "team-a.in"}) == refused
    route = {"id": "s", "where": "a == 1", "topics": ["team-b.*"], "topic": "team-b.x"}
    assert ask("POST", "/api/routes", route, ADMIN_KEY)[0] == 200
    assert ask("DELETE", "/api/routes/s") == refused
    for path in ("/api/routes/r", "/api/collectors/c"):
        assert ask("DELETE", path)[0] == 200
