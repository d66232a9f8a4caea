"""The differences from Apache Kafka that are meant, each with its reason.

A row names scenario, step and path as shell patterns, and may say what either side answers; a row
that matches nothing any more fails the test, so the table cannot rot.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from typing import Any, Final, NamedTuple

from tests.differential.compare import Difference

ANY: Final = "*"


class Explained(NamedTuple):
    """Why a difference is as it is. `kafka` and `ours` are values, or ANY."""

    scenario: str
    step: str
    path: str
    why: str
    kafka: Any = ANY
    ours: Any = ANY

    def covers(self, difference: Difference) -> bool:
        """Whether the row is about a difference."""
        return (
            fnmatchcase(difference.scenario, self.scenario)
            and fnmatchcase(difference.step, self.step)
            and fnmatchcase(difference.path.translate(_FLAT), self.path)
            and self.kafka in (ANY, difference.kafka)
            and self.ours in (ANY, difference.ours)
        )


_FLAT = str.maketrans("[]", "..")  # brackets would be sets of letters in a pattern

EXPLAINED: Final[tuple[Explained, ...]] = (
    # ---- Produce ----
    Explained(
        "produce *",
        "*",
        "*.log_start_offset",
        "in refusals of records Kafka fills in the log's start; no client reads it then",
    ),
    Explained("transactions newer", "goes on with *", "*.log_start_offset", "as in Produce"),
    Explained(
        "produce sequences",
        "*",
        "*.log_append_time_ms",
        "Kafka gives a duplicate's create time as append time; there is none",
    ),
    Explained(
        "produce bad batches",
        "codec *",
        "*.error_code",
        "Kafka answers with its own exception",
        -1,
        76,
    ),
    Explained(
        "produce bad batches",
        "magic [013]",
        "*.error_code",
        "formats 0 and 1 were given up: the error that says so, whatever the number",
    ),
    Explained(
        "produce bad batches",
        "length *",
        "*.error_code",
        "not the bytes are damaged but the request is wrong",
        2,
        87,
    ),
    Explained(
        "produce bad batches",
        "transactional bit *",
        "*.error_code",
        "Kafka speaks of authorization where the transactional id is missing",
        53,
        48,
    ),
    Explained(
        "produce bad batches",
        "a byte too many",
        "*",
        "Kafka drops the rest of what it was sent; here nothing is dropped silently",
    ),
    Explained(
        "produce bad batches", "append-time bit", "*", "the broker's time is the broker's to set"
    ),
    Explained(
        "produce bad batches",
        "producer without epoch",
        "*",
        "Kafka takes the batch for a duplicate and stores nothing",
    ),
    Explained(
        "produce bad batches",
        "record length wrong",
        "*",
        "records stay closed unless the topic's settings want them opened: the CRC vouches "
        "for them, and looking at each would cost more than all the rest",
    ),
    Explained("produce bad batches", "gzip bit, not compressed", "*", "records stay closed"),
    Explained("produce codecs", "* that is none", "*", "records stay closed"),
    Explained(
        "produce codecs",
        "zstd",
        "*",
        "who compresses with zstd knows it, in whichever version it writes",
    ),
    Explained(
        "produce topic rules",
        "*in the far future",
        "*.error_code",
        "Kafka says INVALID_RECORD where the records were opened for another reason",
        87,
        32,
    ),
    Explained(
        "produce topic rules",
        "*in the far future",
        "*.record_errors",
        "the batch's largest time is looked at, not each record's",
    ),
    # ---- Fetch ----
    Explained(
        "fetch *",
        "*",
        "*.high_watermark",
        "an error answer tells where the log ends, as it is known",
        -1,
    ),
    Explained("fetch *", "*", "*.last_stable_offset", "as high_watermark", "(absent)"),
    Explained("fetch *", "*", "*.log_start_offset", "as high_watermark", "(absent)"),
    Explained(
        "fetch *",
        "*",
        "*.aborted_transactions",
        "null and empty mean the same: none",
        [],
        "(absent)",
    ),
    Explained(
        "fetch limits",
        "*max_bytes *",
        "*.records",
        "Kafka cuts the last batch anywhere; the cut piece is of no use to a client",
    ),
    Explained("fetch limits", "negative limits", "*", "a negative limit counts as 0"),
    Explained("fetch every version", "isolation level 2", "*", "every level but 0 is committed"),
    Explained("list offsets", "isolation level 2", "*", "every level but 0 is committed"),
    Explained(
        "fetch every version",
        "as a replica",
        "*",
        "there are no replicas: a replica id is that of a curious consumer",
    ),
    Explained("fetch epochs", "current epoch -2", "*", "an epoch is -1 or one that was"),
    Explained(
        "fetch epochs",
        "last fetched epoch *",
        "*",
        "only followers send it, consumers ask OffsetForLeaderEpoch",
    ),
    Explained(
        "fetch sessions",
        "new session without partitions",
        "session_id",
        "a session of nothing is not kept",
    ),
    # ---- what is named twice ----
    Explained(
        "*", "*twice", "*", "Kafka answers a name that was given twice once, here each is answered"
    ),
    # ---- groups ----
    Explained(
        "groups one member",
        "sync of no protocol*",
        "*",
        "the fields may be null in the schema: null agrees to what the group has",
    ),
    Explained(
        "groups one member",
        "with another protocol",
        "*",
        "a lone member may change its protocols without leaving first",
    ),
    Explained(
        "groups one member",
        "a stranger joins",
        "error_code",
        "of two reasons for a refusal either may be named",
        25,
        23,
    ),
    Explained(
        "groups refusals",
        "sync of *",
        "error_code",
        "of two reasons for a refusal either may be named",
        23,
    ),
    Explained("groups refusals", "delete an empty name", "*", "no group has this name", 69, 24),
    Explained(
        "offsets simple",
        "*no group",
        "*",
        "commits of a group without a name belong to everybody; Kafka's own clients refuse "
        "them since KIP-289",
        0,
        24,
    ),
    Explained("offsets simple", "fetch: an empty group name", "*", "as above"),
    Explained(
        "offsets simple",
        "generation 3",
        "*",
        "of two reasons for a refusal either may be named",
        25,
        22,
    ),
    Explained(
        "offsets simple",
        "of a member",
        "*",
        "a member id without a generation is no member's",
        0,
        22,
    ),
    Explained(
        "offsets simple", "fetch: of a member", "*", "the member that is named does not exist"
    ),
    # ---- topics ----
    Explained(
        "topics create",
        "*",
        "*.configs",
        "null or an empty list where there is none to tell; and the node of Kafka that is "
        "compared sets min.insync.replicas in its file",
    ),
    Explained("topics create", "checked only", "*.topic_id", "an id is given to what is made"),
    Explained("topics create", "null value", "*", "null means the default, as when altering"),
    Explained(
        "topics create",
        "too many partitions",
        "*.error_code",
        "another bound, said with the error for numbers of partitions",
        44,
        37,
    ),
    Explained("topics delete", "neither", "*.error_code", "an id of zeros is unknown", 42, 100),
    Explained(
        "topics grow",
        "far too many",
        "*.error_code",
        "Kafka answers with its own exception",
        -1,
        37,
    ),
    Explained("topics metadata", "null name, no id", "*", "an id of zeros is unknown"),
    Explained("topics metadata", "*id*", "*", "ids are answered in versions 10 and 11 too"),
    Explained(
        "topics metadata",
        "made by asking",
        "*",
        "the topic is there before the answer is, so nobody has to ask again",
    ),
    Explained("topics describe", "limit 0", "*", "a limit of none is no limit"),
    Explained(
        "topics describe",
        "*",
        "*topic_authorized_operations",
        "what may be done to a topic that is not there is nothing",
    ),
    Explained("topics describe", "from *", "*", "a cursor names where to go on, not what exists"),
    # ---- configs ----
    Explained(
        "configs *", "*bad*name", "*.error_code", "a topic of a bad name does not exist", 17, 3
    ),
    Explained(
        "configs change",
        "unknown config deleted",
        "*.error_code",
        "a name that is none is a mistake also where it is taken away",
        0,
        40,
    ),
    Explained(
        "configs change",
        "unknown operation",
        "*.error_code",
        "Kafka answers with its own exception",
        -1,
        42,
    ),
    Explained(
        "configs describe",
        "*",
        "*.synonyms*",
        "where a default comes from is told also where the broker's file does not set it",
    ),
    Explained(
        "configs describe",
        "a broker's",
        "*.log.retention.ms.value",
        "the value that holds instead of null, which stands for log.retention.hours",
    ),
    *(
        Explained("configs describe", "*", f"*.{name}*", why)
        for name, why in {
            "compression.[glz]*.level": "codecs have the level that their library prefers",
            "*.replication.throttled.replicas": "there is no replication",
            "local.retention.*": "there is no tiered storage",
            "remote.*": "there is no tiered storage",
            "min.insync.replicas.config_source": "the node of Kafka sets it in its file",
            "file.delete.delay.ms": "files go at once: no other process has them open",
            "summit.replication.factor": "ours: what the guide's API was asked for",
        }.items()
    ),
    # ---- transactions ----
    Explained(
        "transactions listed",
        "describe several",
        "*.producer_*",
        "an unknown transactional id has no producer",
    ),
    Explained(
        "transactions listed",
        "*lasting",
        "transaction_states",
        "a transaction that is not open lasts no time",
    ),
    Explained(
        "transactions markers",
        "*",
        "*",
        "markers come from the coordinator, which is in this broker: nobody else sends them",
    ),
    Explained(
        "transactions newer",
        "add for a check",
        "*partition_error_code",
        "of two reasons for a refusal either may be named",
        120,
        48,
    ),
    Explained(
        "transactions older",
        "commits offsets as a member*",
        "*.error_code",
        "of two reasons for a refusal either may be named",
        25,
        22,
    ),
    Explained(
        "transactions older",
        "offsets of no group*",
        "error_code",
        "commits of a group without a name belong to everybody",
        0,
        24,
    ),
    # ---- the cluster ----
    Explained(
        "cluster api versions",
        "ranges",
        "api_keys.ApiVersions",
        "version 5 is in Kafka 4.3's schema, but served only where it is asked for",
    ),
    Explained(
        "cluster api versions",
        "ranges",
        "*_features*",
        "features of controllers, and of share and streams groups",
    ),
    Explained(
        "cluster api versions",
        "with*name",
        "*",
        "a client's name is for logs: one that Kafka does not like is served too",
    ),
)


def unexplained(found: Iterable[Difference]) -> Iterator[Difference]:
    """The differences without a row."""
    for difference in found:
        if not any(row.covers(difference) for row in EXPLAINED):
            yield difference


def unused(found: Iterable[Difference]) -> list[Explained]:
    """The rows without a difference."""
    seen = list(found)
    return [row for row in EXPLAINED if not any(row.covers(each) for each in seen)]
