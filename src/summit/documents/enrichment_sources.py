"""Where enrichments get their data: the `config` of each type, read and checked.

lookup  keyField, match: exact | cidr | domain, and the rows: table, file (CSV, JSON, JSONL; read
        again when it changes), sqlite + sqlTable (asked per key), topic (a compacted one: key and
        JSON value); keyColumn: the member of a row that is the key
api     apiUrl, apiKey, keyField, method, params, headers, body, timeout, retries, concurrency,
        cache: {size, ttl, negativeTtl}, circuitBreaker: {failures, pause}, resultField,
        allowPrivate
geo     ipField, database
custom  handler: a name that `summit.enrichers` (entry points) or the program has
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal
from urllib.parse import urlsplit

from summit.base.errors import Invalid
from summit.base.limits import (
    ENRICHMENT_CACHE_MAX,
    ENRICHMENT_CONCURRENCY_MAX,
    ENRICHMENT_RETRIES_MAX,
    ENRICHMENT_TIMEOUT_MS_MAX,
)
from summit.documents.problems import join_pointer
from summit.documents.section import Section
from summit.events.expressions.ir import Path
from summit.events.networks import parse_network

Match = Literal["exact", "cidr", "domain"]
Method = Literal["GET", "POST"]
_MATCHES: Final[tuple[Match, ...]] = ("exact", "cidr", "domain")
_METHODS: Final[tuple[Method, ...]] = ("GET", "POST")
_ROWS: Final = ("table", "file", "sqlite", "topic")
KEY: Final = "${key}"
_CACHING: Final = ("cache", "cacheTtlMs", "timeout", "timeoutMs")


@dataclass(frozen=True, slots=True)
class CachePlan:
    """How answers are remembered.

    Attributes:
        size: Number of keys; the one that was not asked for longest goes first.
        negative_ttl_ms: How long it is remembered that there is nothing.
    """

    size: int = 10_000
    ttl_ms: int = 300_000
    negative_ttl_ms: int = 60_000


@dataclass(frozen=True, slots=True)
class TablePlan:
    """Rows by key. Exactly one of `table`, `file`, `sqlite` and `topic` is set.

    Attributes:
        key_column: The column or member of a row that is the key; None = the first of a file, the
            record key of a topic.
        sql_table: The table of a database.
    """

    match: Match = "exact"
    table: Mapping[str, Any] | None = None
    file: str | None = None
    sqlite: str | None = None
    sql_table: str | None = None
    topic: str | None = None
    key_column: str | None = None
    type: str = "lookup"


@dataclass(frozen=True, slots=True)
class ApiPlan:
    """A service that is asked over HTTP.

    Attributes:
        url: `${key}` in it, in `params`, `headers` and `body` stands for the key; where it stands
            nowhere, the last part of the key field is a parameter, or the member of a body.
        api_key: As written: a secret's reference, or the secret.
        api_key_header: None = `Authorization: Bearer`.
        body: JSON to be posted; None = the event.
        retries: For one look-up; all together at most a fifth of the requests.
        breaker_failures: So many failures in a row, and the service is left alone for a while.
        result_field: Which part of the answer is the row; None = all of it.
        allow_private: Whether hosts of this machine and of private networks may be asked.
    """

    url: str
    method: Method
    api_key: str | None = None
    api_key_header: str | None = None
    params: tuple[tuple[str, str], ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    body: Any = None
    timeout_ms: int = 2_000
    retries: int = 2
    concurrency: int = 16
    cache: CachePlan = CachePlan()
    breaker_failures: int = 5
    breaker_pause_ms: int = 10_000
    result_field: Path | None = None
    allow_private: bool = False
    type: str = "api"


@dataclass(frozen=True, slots=True)
class GeoPlan:
    """A MaxMind database; None = the one that the program was given."""

    database: str | None = None
    type: str = "geo"


@dataclass(frozen=True, slots=True)
class CustomPlan:
    """A function by name; None = the one that comes with the rule, in Python."""

    handler: str | None = None
    timeout_ms: int = 2_000
    cache: CachePlan | None = None
    type: str = "custom"


SourcePlan = TablePlan | ApiPlan | GeoPlan | CustomPlan


def read_source(section: Section, kind: str) -> tuple[SourcePlan, Path | None, Path | None]:
    """The source, the key field (None = the whole event) and the output field of a `config`."""
    if kind == "lookup":
        return _read_lookup(section)
    if kind == "api":
        return _read_api(section)
    return _read_geo(section) if kind == "geo" else _read_custom(section)


def _config(section: Section, noun: str, *names: str) -> Section:
    return Section(
        section.mapping("config") or {}, section.at("config"), section.problems,
        names=(*names, "outputField"), noun=noun,
    )  # fmt: skip


def _read_lookup(section: Section) -> tuple[SourcePlan, Path | None, Path | None]:
    config = _config(section, "lookup config", "keyField", "match", *_ROWS, "sqlTable", "keyColumn")
    key_field = config.path("keyField", required=True)
    given = [name for name in _ROWS if config.has(name)]
    if not given:
        config.note("table", "a lookup config needs 'table', 'file', 'sqlite' or 'topic'")
    for name in given[1:]:
        config.note(name, f"give either it or '{given[0]}'")
    file, sqlite, topic = config.text("file"), config.text("sqlite"), config.text("topic")
    if file is not None and not file.lower().endswith((".csv", ".json", ".jsonl", ".ndjson")):
        config.note("file", "must end in .csv, .json, .jsonl or .ndjson")
    key_column, sql_table = config.text("keyColumn"), config.text("sqlTable")
    if config.has("keyColumn") and config.has("table"):
        config.note("keyColumn", "belongs to a file, a database or a topic")
    if sqlite is not None and sql_table is None:
        config.note("sqlTable", "a lookup in a database needs 'sqlTable'")
    if sqlite is not None and key_column is None:
        config.note("keyColumn", "a lookup in a database needs 'keyColumn'")
    if sql_table is not None and sqlite is None:
        config.note("sqlTable", "belongs to 'sqlite'")
    match = config.choice("match", _MATCHES) or "exact"
    if match == "cidr":
        for network in config.mapping("table") or ():
            try:
                parse_network(str(network))
            except Invalid as error:
                pointer = join_pointer(config.at("table"), str(network))
                config.problems.add_error(pointer, error)
    plan = TablePlan(
        match, config.mapping("table"), file, sqlite, sql_table, topic, key_column
    )  # fmt: skip
    return plan, key_field, config.path("outputField")


def _read_api(section: Section) -> tuple[SourcePlan, Path | None, Path | None]:
    config = _config(
        section, "api config", "apiUrl", "apiKey", "apiKeyHeader", "keyField", "method", "params",
        "headers", "body", "retries", "concurrency", "circuitBreaker", "resultField",
        "allowPrivate", *_CACHING,
    )  # fmt: skip
    url = config.text("apiUrl", required=True) or ""
    if url:
        _check_url(config, url)
    key_field = config.path("keyField")
    method = config.choice("method", _METHODS) or ("GET" if key_field else "POST")
    if method == "GET" and key_field is None:
        config.note("keyField", "a GET needs to know what to ask for")
    if config.has("body") and method == "GET":
        config.note("body", "belongs to method: POST")
    params, headers = _pairs(config, "params"), _pairs(config, "headers")
    body = config.values.get("body")
    if key_field is not None and method == "GET":
        if KEY not in "".join((url, *(text for _, text in (*params, *headers)))):
            params = (*params, (key_field[-1], KEY))
    elif key_field is not None and body is None:
        body = {key_field[-1]: KEY}
    breaker = Section(
        config.mapping("circuitBreaker") or {}, config.at("circuitBreaker"), config.problems,
        names=("failures", "pause"), noun="circuitBreaker",
    )  # fmt: skip
    plan = ApiPlan(
        url, method, config.text("apiKey"), config.text("apiKeyHeader"),
        params, headers, body,
        timeout_ms=_timeout_ms(config),
        retries=_or(config.whole("retries", least=0, most=ENRICHMENT_RETRIES_MAX), 2),
        concurrency=config.whole("concurrency", least=1, most=ENRICHMENT_CONCURRENCY_MAX) or 16,
        cache=_read_cache(config) or CachePlan(),
        breaker_failures=breaker.whole("failures", least=1) or 5,
        breaker_pause_ms=breaker.duration_ms("pause") or 10_000,
        result_field=config.path("resultField"),
        allow_private=config.flag("allowPrivate", default=False),
    )  # fmt: skip
    return plan, key_field, config.path("outputField")


def _read_geo(section: Section) -> tuple[SourcePlan, Path | None, Path | None]:
    config = _config(section, "geo config", "ipField", "database")
    plan = GeoPlan(config.text("database"))
    return plan, config.path("ipField") or ("ip",), config.path("outputField")


def _read_custom(section: Section) -> tuple[SourcePlan, Path | None, Path | None]:
    config = _config(section, "custom config", "handler", "keyField", *_CACHING)
    plan = CustomPlan(config.text("handler"), _timeout_ms(config), _read_cache(config))
    return plan, config.path("keyField"), config.path("outputField")


def _check_url(config: Section, url: str) -> None:
    try:
        parts = urlsplit(url)
        is_good = parts.scheme in ("http", "https") and bool(parts.hostname)
        _ = parts.port
    except ValueError:
        is_good = False
    if not is_good or parts.fragment or parts.username is not None or "${" in parts.netloc:
        text = "must be http[s]://host[:port][/path][?query], with no user, and the key not in host"
        config.note("apiUrl", text)


def _timeout_ms(config: Section) -> int:
    if config.has("timeout") and config.has("timeoutMs"):
        config.note("timeoutMs", "give either it or 'timeout'")
    found = config.duration_ms("timeout") or config.duration_ms("timeoutMs") or 2_000
    if found > ENRICHMENT_TIMEOUT_MS_MAX:
        config.note("timeout", f"must be at most {ENRICHMENT_TIMEOUT_MS_MAX} ms")
    return found


def _read_cache(config: Section) -> CachePlan | None:
    given = config.mapping("cache")
    if given is None and not config.has("cacheTtlMs"):
        return None
    cache = Section(
        given or {}, config.at("cache"), config.problems,
        names=("size", "ttl", "negativeTtl"), noun="cache",
    )  # fmt: skip
    usual = CachePlan()
    ttl_ms = cache.duration_ms("ttl", least=0)
    if ttl_ms is None:
        ttl_ms = config.duration_ms("cacheTtlMs", least=0)
    negative_ms = cache.duration_ms("negativeTtl", least=0)
    return CachePlan(
        cache.whole("size", least=1, most=ENRICHMENT_CACHE_MAX) or usual.size,
        usual.ttl_ms if ttl_ms is None else ttl_ms,
        min(usual.negative_ttl_ms, usual.ttl_ms if ttl_ms is None else ttl_ms)
        if negative_ms is None else negative_ms,
    )  # fmt: skip


def _pairs(config: Section, name: str) -> tuple[tuple[str, str], ...]:
    found = []
    for key, value in (config.mapping(name) or {}).items():
        if isinstance(value, (str, int, float, bool)) and isinstance(key, str):
            text = value if isinstance(value, str) else json.dumps(value)
            if "\n" in text or "\r" in text or not key.strip():
                config.note(name, f"'{key}' holds an end of line, or has no name")
            found.append((key, text))
        else:
            config.note(name, f"'{key}' must be a text or a number")
    return tuple(found)


def _or(value: int | None, usual: int) -> int:
    return usual if value is None else value
