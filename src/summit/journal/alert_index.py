"""The alerts of the topic in SQLite: found by words, time, severity, rule, key and entity.

    alerts   place (offset in the topic), id, at (event time), severity, rule, value as read
    facts    what an alert's key says: `value`, and `field=value` for entities
    words    full text (FTS5) of title, description, key, rule, severity, tags and technique
    meta     which topic it was read from, and how far

A view like every other: it is a function of the log, so two of them that have read as far are
equal, and a file that is damaged, or of another log, is thrown away and read again. What was read
and how far are one transaction, so a kill leaves them together. Nothing is synced on the way:
after a crash of the machine (another boot, and no clean end) the file counts as damaged.
"""

from __future__ import annotations

import asyncio
import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import suppress
from heapq import heappop, heappush
from pathlib import Path
from typing import Any, Final

from summit.alerts import Alert, AlertPage, AlertQuery, decode_alert, severity_rank
from summit.alerts.matchers import entities_of, key_text
from summit.base.errors import Invalid
from summit.base.limits import ALERT_INDEX_COUNT_MAX, ALERT_PAGE_MAX
from summit.base.logs import get_logger

VERSION: Final = 1
_PLACE_MAX: Final = 2**63 - 1
_SLICE: Final = 1_000  # rows looked at before others on the loop have their turn
_CACHE_KIB: Final = 2_048
_OF_FACT: Final = "place in (select place from facts where fact = ?)"
_OF_WORDS: Final = (
    "place in (select rowid from words where words match ? and rowid between ? and ?)"
)
_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")
_TABLES: Final = """
create table meta (name text primary key, value) without rowid;
create table alerts (
    place integer primary key, id text not null unique, at integer not null,
    severity text not null, rule text, value blob not null
);
create index by_time on alerts (at, place);
create index by_severity on alerts (severity, at, place);
create index by_rule on alerts (rule, at, place);
create table facts (
    fact text not null, place integer not null, primary key (fact, place)
) without rowid;
create index facts_of on facts (place);
create virtual table words using fts5(text, tokenize = "unicode61 remove_diacritics 2");
"""


class AlertIndex:
    """See the module; one loop's.

    Args:
        path: The file; None = a temporary one that ends with the process.
        count_max: At most so many alerts; those with the lowest places leave.

    Attributes:
        folded: Alerts that were read again, and replaced what was there.
        evicted: Alerts that left.
        invalid: Records that are no alerts.
        position: The next offset to read; 0 for an empty view.
    """

    def __init__(self, path: Path | None = None, *, count_max: int = ALERT_INDEX_COUNT_MAX) -> None:
        self.count_max = count_max
        self.folded = self.evicted = self.invalid = 0
        self.position = 0
        self._path = path
        self._severities: dict[str, int] = {}
        self._db = self._open()

    # ---- the file ----

    def _open(self) -> sqlite3.Connection:
        if self._path is None:
            return self._fresh("")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            db = _connect(str(self._path))
            try:
                if self._is_whole(db):
                    self._load(db)
                    return db
            except sqlite3.DatabaseError as error:
                if _is_taken(error):
                    raise
            db.close()
            for suffix in ("", "-wal", "-shm"):
                Path(f"{self._path}{suffix}").unlink(missing_ok=True)
            get_logger(__name__).info("alerts.view_read_anew", path=str(self._path))
            return self._fresh(str(self._path))
        except (sqlite3.DatabaseError, OSError) as error:
            # Another process has it, or nothing can be written there: it goes without.
            get_logger(__name__).warning(
                "alerts.view_not_kept", path=str(self._path), error=str(error)
            )
            return self._fresh("")

    def _fresh(self, name: str) -> sqlite3.Connection:
        db = _connect(name)
        db.executescript(_TABLES)
        with db:
            self._note(db, version=VERSION, topic="", position=0)
        self._begin_use(db)
        self._load(db)
        return db

    def _is_whole(self, db: sqlite3.Connection) -> bool:
        found = dict(db.execute("select name, value from meta"))
        if found.get("version") != VERSION:
            return False
        if not found.get("clean") and found.get("boot") != _boot():
            return False
        self._begin_use(db)
        return True

    def _begin_use(self, db: sqlite3.Connection) -> None:
        db.execute("pragma synchronous = full")
        with db:
            self._note(db, clean=0, boot=_boot())
        db.execute("pragma synchronous = off")

    def _load(self, db: sqlite3.Connection) -> None:
        self._severities = dict(
            db.execute("select severity, count(*) from alerts group by severity")
        )
        ((self.position,),) = db.execute("select value from meta where name = 'position'")

    def close(self) -> None:
        """End with everything on the disk. Idempotent."""
        with suppress(sqlite3.ProgrammingError):
            self._db.execute("pragma synchronous = full")
            with self._db:
                self._note(self._db, clean=1)
            self._db.execute("pragma wal_checkpoint(truncate)")
            self._db.close()

    def belongs_to(self, topic: str, first: int, end: int) -> None:
        """Go on with this log, or begin anew where what is here was read from another one.

        Args:
            topic: The id of the topic.
            first: Its first kept offset: what stands before is forgotten.
            end: Its next offset.
        """
        ((known,),) = self._db.execute("select value from meta where name = 'topic'")
        if known != topic or self.position > end:
            with self._db:
                for table in ("alerts", "facts", "words"):
                    self._db.execute(f"delete from {table}")  # noqa: S608 - names of ours
                self._note(self._db, topic=topic, position=0)
            self._load(self._db)
        self.forget_before(first)

    def forget_before(self, first: int) -> None:
        """Forget the alerts whose records are no longer kept."""
        with self._db:
            for place, severity in self._db.execute(
                "select place, severity from alerts where place < ?", (first,)
            ).fetchall():
                self._drop(place, severity)

    @staticmethod
    def _note(db: sqlite3.Connection, **values: Any) -> None:
        db.executemany("insert or replace into meta values (?, ?)", list(values.items()))

    # ---- what is read ----

    def take(
        self, records: list[tuple[int, str, bytes | None]], position: int
    ) -> list[tuple[int, Alert]]:
        """Take records in log order, at once and durably against a kill.

        Args:
            records: Offset, key and value of each; None = the alert is deleted.
            position: The next offset to read after them.
        Returns: The alerts whose ids are new, in order, with their offsets.
        """
        new: list[tuple[int, Alert]] = []
        with self._db:
            for place, key, value in records:
                if place < self.position:
                    continue  # read again after a restart
                if value is None:
                    self._remove(key)
                elif (alert := self._add(place, value)) is not None:
                    new.append((place, alert))
            for place, severity in self._db.execute(
                "select place, severity from alerts order by place limit ?",
                (max(0, len(self) - self.count_max),),
            ).fetchall():
                self._drop(place, severity)
                self.evicted += 1
            self.position = max(position, self.position)
            self._note(self._db, position=self.position)
        return new

    def _add(self, place: int, value: bytes) -> Alert | None:
        try:
            alert = decode_alert(value)
        except Invalid:
            self.invalid += 1
            return None
        known = self._remove(alert.id)
        self.folded += known
        run = self._db.execute
        run(
            "insert into alerts values (?, ?, ?, ?, ?, ?)",
            (place, alert.id, alert.timestamp, alert.severity, alert.pattern, value),
        )
        facts = {*map(key_text, alert.key.values()), *entities_of(alert.key)}
        self._db.executemany("insert into facts values (?, ?)", [(f, place) for f in facts])
        run("insert into words (rowid, text) values (?, ?)", (place, _text_of(alert)))
        self._severities[alert.severity] = self._severities.get(alert.severity, 0) + 1
        return None if known else alert

    def _remove(self, alert_id: str) -> bool:
        found = self._db.execute(
            "select place, severity from alerts where id = ?", (alert_id,)
        ).fetchone()
        if found is not None:
            self._drop(*found)
        return found is not None

    def _drop(self, place: int, severity: str) -> None:
        for statement in (
            "delete from alerts where place = ?", "delete from facts where place = ?",
            "delete from words where rowid = ?",
        ):  # fmt: skip
            self._db.execute(statement, (place,))
        self._severities[severity] -= 1

    # ---- what is asked ----

    def __len__(self) -> int:
        return sum(self._severities.values())

    def get(self, alert_id: str) -> Alert | None:
        """The alert with this id, or None."""
        row = self._db.execute("select value from alerts where id = ?", (alert_id,)).fetchone()
        return None if row is None else decode_alert(row[0])

    def severities(self) -> dict[str, int]:
        """Alerts of the view by severity."""
        return {name: count for name, count in self._severities.items() if count}

    def stats(self) -> dict[str, int]:
        """Counts over the alerts of the view, by the names of the wire."""
        return {
            "totalAlerts": len(self),
            "criticalAlerts": self._severities.get("critical", 0),
            "highAlerts": self._severities.get("high", 0),
        }

    def query(self, query: AlertQuery, passes: Callable[[str], bool] | None = None) -> AlertPage:
        """As `AlertView.query`, at once: for who has no filter that looks at everything."""
        for page in self._steps(query, passes):
            if page is not None:
                return page
        return AlertPage(alerts=[])

    async def search(
        self, query: AlertQuery, passes: Callable[[str], bool] | None = None
    ) -> AlertPage:
        """The same; while it looks for rare ones, others have their turn.

        Raises: Invalid("alert.severity_unknown"), ("alert.limit_invalid"),
            ("alert.cursor_invalid").
        """
        for page in self._steps(query, passes):
            if page is not None:
                return page
            await asyncio.sleep(0)
        return AlertPage(alerts=[])

    def _steps(
        self, query: AlertQuery, passes: Callable[[str], bool] | None
    ) -> Iterator[AlertPage | None]:
        """Looks at some rows at each step; the last one is the page."""
        if not 1 <= query.limit <= ALERT_PAGE_MAX:
            raise Invalid("alert.limit_invalid", limit=query.limit, max=ALERT_PAGE_MAX)
        conditions, values = _conditions(query)
        before = None if query.before is None else _cursor(query.before)
        if query.text is not None:
            wanted = match_of(query.text)
            yield from self._steps_of_words(wanted, query.limit, conditions, values, before, passes)
            return
        found: list[tuple[int, int]] = []
        while True:
            limit = query.limit + 1 - len(found) if passes is None else _SLICE
            rows = self._rows(conditions, values, before, limit)
            for at, place, alert_id in rows:
                if passes is None or passes(alert_id):
                    found.append((at, place))
                if len(found) > query.limit:
                    last = found[query.limit - 1]
                    yield self._page(found[:-1], f"{last[0]}.{last[1]}")
                    return
            if len(rows) < limit:
                yield self._page(found, None)
                return
            before = rows[-1][0], rows[-1][1]
            yield None

    def _steps_of_words(
        self, wanted: str, limit: int, conditions: list[str], values: list[Any],
        before: tuple[int, int] | None, passes: Callable[[str], bool] | None,
    ) -> Iterator[AlertPage | None]:  # fmt: skip
        """The same of alerts that say something: every one that does, by place; the latest stay."""
        newest: list[tuple[int, int]] = []  # a heap, the oldest of them first
        last = _PLACE_MAX
        while True:
            places = self._db.execute(
                "select rowid from words where words match ? and rowid <= ?"
                " order by rowid desc limit ?",
                (wanted, last, _SLICE),
            ).fetchall()
            if places:
                first = places[-1][0]
                of_words = [*conditions, _OF_WORDS]
                rows = self._rows(of_words, [*values, wanted, first, last], before, _SLICE)
                for at, place, alert_id in rows:
                    if passes is None or passes(alert_id):
                        heappush(newest, (at, place))
                        if len(newest) > limit + 1:
                            heappop(newest)
                last = first - 1
            if len(places) < _SLICE:
                break
            yield None
        found = sorted(newest, reverse=True)
        at_end = len(found) <= limit
        cursor = None if at_end else f"{found[limit - 1][0]}.{found[limit - 1][1]}"
        yield self._page(found[:limit], cursor)

    def _rows(
        self, conditions: list[str], values: list[Any], before: tuple[int, int] | None, limit: int
    ) -> list[tuple[int, int, str]]:
        conditions, values = [*conditions], [*values]
        if before is not None:
            conditions.append("(at, place) < (?, ?)")
            values += before
        where = f"where {' and '.join(conditions)}" if conditions else ""
        return self._db.execute(
            f"select at, place, id from alerts {where}"  # noqa: S608 - conditions of ours
            " order by at desc, place desc limit ?",
            (*values, limit),
        ).fetchall()

    def _page(self, found: list[tuple[int, int]], next_cursor: str | None) -> AlertPage:
        alerts = []
        for _, place in found:
            row = self._db.execute("select value from alerts where place = ?", (place,)).fetchone()
            if row is not None:  # it may have left while others had their turn
                alerts.append(decode_alert(row[0]))
        return AlertPage(alerts=alerts, next_cursor=next_cursor)


def _connect(name: str) -> sqlite3.Connection:
    db = sqlite3.connect(name, isolation_level="IMMEDIATE", timeout=0.0, cached_statements=64)
    try:
        if name:
            db.execute("pragma locking_mode = exclusive")  # no second writer, no shared memory
            db.execute("pragma journal_mode = wal")
        db.execute(f"pragma cache_size = -{_CACHE_KIB}")
        db.execute("pragma foreign_keys = off")
    except BaseException:
        db.close()
        raise
    return db


def _is_taken(error: sqlite3.DatabaseError) -> bool:
    return getattr(error, "sqlite_errorcode", None) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def _boot() -> str:
    """What differs from one start of the machine to the next; empty where nobody tells."""
    try:
        return _BOOT_ID.read_text().strip()
    except OSError:
        return ""


def _conditions(query: AlertQuery) -> tuple[list[str], list[Any]]:
    if query.severity is not None:
        severity_rank(query.severity)
    values: list[Any] = []
    conditions: list[str] = []
    for condition, value in (
        ("severity = ?", query.severity),
        ("rule = ?", query.pattern),
        (_OF_FACT, query.key),
        (_OF_FACT, query.entity),
        ("at >= ?", query.since_ms),
        ("at < ?", query.until_ms),
    ):
        if value is not None:
            conditions.append(condition)
            values.append(value)
    return conditions, values


def match_of(text: str) -> str:
    """A search as FTS5 wants it: every word or "phrase" must be there, each word as a beginning.

    Nothing in it is an operator: what people paste (addresses, paths) is searched as it stands.

    >>> match_of('brute "new york" 10.0.0.1')
    '"brute"* "new york" "10.0.0.1"*'
    """
    parts = []
    for phrase, word in re.findall(r'"([^"]*)"|(\S+)', text.replace("\0", " ")):
        if phrase.strip():
            parts.append(f'"{phrase}"')
        elif word:
            parts.append('"{}"*'.format(word.replace('"', '""')))
    return " ".join(parts) or '""'


def _text_of(alert: Alert) -> str:
    return "\n".join(
        (
            alert.title, alert.description, alert.severity, alert.pattern or "",
            *entities_of(alert.key), *alert.tags, alert.technique or "", alert.id,
        )
    )  # fmt: skip


def _cursor(text: str) -> tuple[int, int]:
    at, _, place = text.partition(".")
    try:
        found = int(at), int(place)
    except ValueError as error:
        raise Invalid("alert.cursor_invalid", cursor=text) from error
    if any(abs(number) >= 2**63 for number in found):
        raise Invalid("alert.cursor_invalid", cursor=text)
    return found
