"""Rows from a service that is asked over HTTP: time-outs, retries, a breaker, and no way inside.

Redirects are not followed, and hosts of this machine and of private networks are asked only where
the rule says so. An answer 404, 204 or `null` means that there is nothing.
"""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Sequence
from typing import Any, Final, NamedTuple
from urllib.parse import quote, urlsplit

import msgspec

from summit.base.clock import Clock
from summit.base.errors import Corrupt, Invalid, SummitError, Unavailable
from summit.base.limits import ENRICHMENT_ANSWER_BYTES_MAX
from summit.base.rand import Rand
from summit.base.secrets import is_secret_reference, read_secret
from summit.documents.enrichment_sources import KEY, ApiPlan
from summit.enrich.breaker import CircuitBreaker, RetryBudget
from summit.enrich.cache import AnswerCache
from summit.enrich.enriching import Found
from summit.enrich.privacy import Secrets
from summit.events.fields import walk
from summit.events.values import as_text
from summit.http_out import Answer, HttpClient, HttpConfig
from summit.sources.source import OneByOne

_BACKOFF_MS: Final = 50
_JSON: Final = "application/json"
_REASON_CHARS_MAX: Final = 200


class _OnLoop(NamedTuple):
    """What lives on one event loop."""

    loop: asyncio.AbstractEventLoop
    asked: OneByOne
    keeper: asyncio.Task[None]
    forgotten: weakref.finalize[..., ApiSource]  # ends the keeper of a source that nobody closed


class ApiSource:
    """Asks one service for one enrichment; see `Source`.

    Args:
        rule: For messages.
        secrets: Gives the API key, where the rule names it by reference.
    Raises: Invalid("secret.missing"); Invalid("config.invalid") for a URL that cannot be asked.
    """

    def __init__(
        self,
        rule: str,
        plan: ApiPlan,
        clock: Clock,
        secrets: Secrets = read_secret,
        rand: Rand | None = None,
    ) -> None:
        self._plan = plan
        self._clock = clock
        self._rand = rand or Rand()
        parts = urlsplit(plan.url)
        self._path, self._query = parts.path or "/", parts.query
        self._headers = dict(plan.headers)
        self._key_text = ""
        if plan.api_key is not None:
            secret = plan.api_key
            if is_secret_reference(secret):
                secret = secrets(secret).decode("utf-8", "replace")
            self._key_text = secret
            name = plan.api_key_header or "Authorization"
            self._headers[name] = secret if plan.api_key_header else f"Bearer {secret}"
        self._what = f"the API of enrichment '{rule}'"
        self._config = HttpConfig(
            url=f"{parts.scheme}://{parts.netloc}",
            connect_timeout_ms=plan.timeout_ms,
            request_timeout_ms=plan.timeout_ms,
            retries=0,
            response_bytes_max=ENRICHMENT_ANSWER_BYTES_MAX,
            allow_internal_addresses=plan.allow_private,
        )
        self._breaker = CircuitBreaker(plan.breaker_failures, plan.breaker_pause_ms)
        self._budget = RetryBudget()
        self.cache = AnswerCache(plan.cache)
        self._on: _OnLoop | None = None

    async def find(self, keys: Sequence[Any]) -> list[Found]:
        """See `Source`."""
        loop = asyncio.get_running_loop()
        if self._on is None or self._on.loop is not loop:
            self._on = self._bind(loop)
        return await self._on.asked.find(keys)

    async def close(self) -> None:
        """End what is under way, and close the connections. Idempotent."""
        on, self._on = self._on, None
        if on is not None and on.loop is asyncio.get_running_loop():
            on.forgotten.detach()
            await on.asked.close()
            on.keeper.cancel()
            await asyncio.wait([on.keeper])

    def _bind(self, loop: asyncio.AbstractEventLoop) -> _OnLoop:
        """Connections live on one loop; the cache outlives them."""
        client = HttpClient(self._config, what=self._what, extra="http")
        asked = OneByOne(
            lambda key: self._ask(client, key), self.cache, self._plan.concurrency, self._clock
        )
        keeper = loop.create_task(_keep(client))
        return _OnLoop(loop, asked, keeper, weakref.finalize(self, _let_go, loop, keeper))

    async def _ask(self, client: HttpClient, key: Any) -> Found:
        if not self._breaker.allows(self._clock.monotonic_ms()):
            return Found("error", reason="the service has failed; it is left alone for a while")
        settled = False
        try:
            found, is_up = await self._try(client, key)
            settled = True
        finally:
            if not settled:
                self._breaker.let_go()
        if is_up:
            self._breaker.succeeded()
        else:
            self._breaker.failed(self._clock.monotonic_ms())
        return found._replace(at_ms=self._clock.now_ms())

    async def _try(self, client: HttpClient, key: Any) -> tuple[Found, bool]:
        """The answer, and whether the service does its work."""
        self._budget.earn()
        reason = ""
        for attempt in range(self._plan.retries + 1):
            if attempt:
                if not self._budget.spend():
                    break
                pause_ms = _BACKOFF_MS * 2 ** (attempt - 1) * (0.5 + self._rand.random())
                await asyncio.sleep(pause_ms / 1000)
            try:
                answer = await self._request(client, key)
            except Unavailable as error:
                reason = str(error.details.get("reason", error))
                continue
            except (Invalid, Corrupt) as error:
                return self._failed(str(error)), True
            except SummitError as error:
                return self._failed(str(error)), False
            return self._read(answer)
        return self._failed(reason), False

    async def _request(self, client: HttpClient, key: Any) -> Answer:
        plan = self._plan
        text = as_text(key) if not isinstance(key, dict) else ""
        text = text if text is not None else msgspec.json.encode(key).decode()
        # A path of dots would be another path, and so another question.
        quoted = quote(text, safe="") if text.strip(".") else quote(text + "\0", safe="")
        pairs = [
            f"{quote(n, safe='')}={quote(v.replace(KEY, text), safe='')}" for n, v in plan.params
        ]
        query = "&".join(part for part in (self._query.replace(KEY, quoted), *pairs) if part)
        path = self._path.replace(KEY, quoted) + (f"?{query}" if query else "")
        headers = {
            name: _one_line(value.replace(KEY, text)) for name, value in self._headers.items()
        }
        body = None
        if plan.method == "POST":
            body = msgspec.json.encode(key if plan.body is None else _filled(plan.body, key, text))
        return await client.request(
            plan.method, path, body=body, content_type=_JSON, headers=headers
        )

    def _read(self, answer: Answer) -> tuple[Found, bool]:
        status = answer.status
        if status in (204, 404) or (status < 300 and not answer.body.strip()):
            return Found("miss"), True
        if not 200 <= status < 300:
            return self._failed(f"status {status}"), status not in (401, 403)
        try:
            row = msgspec.json.decode(answer.body)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return self._failed("the answer is no JSON"), False
        if self._plan.result_field is not None:
            row = walk(row, self._plan.result_field) if isinstance(row, dict) else None
        return (Found("miss") if row is None else Found("found", row)), True

    def _failed(self, reason: str) -> Found:
        if self._key_text:
            reason = reason.replace(self._key_text, "…")
        return Found("error", reason=reason[:_REASON_CHARS_MAX])


def _let_go(loop: asyncio.AbstractEventLoop, keeper: asyncio.Task[None]) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(keeper.cancel)


async def _keep(client: HttpClient) -> None:
    """Close the connections when the loop ends, or the source is forgotten unclosed."""
    try:
        await asyncio.Event().wait()
    finally:
        await client.close()


def _filled(body: Any, key: Any, text: str) -> Any:
    """A body with the key in its places; a text that is nothing but the place becomes the key."""
    if isinstance(body, str):
        return key if body == KEY else body.replace(KEY, text)
    if isinstance(body, dict):
        return {name: _filled(value, key, text) for name, value in body.items()}
    if isinstance(body, list):
        return [_filled(value, key, text) for value in body]
    return body


def _one_line(text: str) -> str:
    """What may stand in a header: a key could hold an end of line."""
    return "".join(char for char in text if char.isprintable())
