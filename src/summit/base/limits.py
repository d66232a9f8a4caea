"""Every built-in limit: its number, unit and reason. Rooms add theirs in their block."""

from __future__ import annotations

from typing import Final

# ---- base ----
LISTENER_QUEUE_MAX: Final = 10_000  # payloads an async listener may lag behind; then counted drops
MEMORY_FILES_BYTES_MAX: Final = 1 << 30  # bytes of a disk in memory; then it is full, as a disk is

# ---- records, log ----
PRODUCERS_PER_PARTITION_MAX: Final = 100_000  # idempotent producers remembered, ~400 bytes each
TAIL_HINTS_MAX: Final = 64  # read positions remembered per partition, about 200 bytes each
WAL_FILE_BYTES: Final = 64 << 20  # one write-ahead log file; two or three exist at a time
WAL_FIRST_FILE_BYTES: Final = 8 << 20  # a new broker's first one, so that it starts at once
OPEN_SEGMENTS_MAX: Final = 256  # full segments kept open for reading; a file descriptor each
CHECKPOINT_BYTES: Final = 64 << 20  # written between checkpoints; bounds what a restart replays
CLEANER_KEYS_MAX: Final = 500_000  # keys that one cleaning remembers; about 75 MB
BATCH_UNFOLDED_BYTES_MAX: Final = 64 << 20  # what one compressed batch may unfold to; stops bombs

# ---- protocol, broker ----
FRAME_BYTES_MAX: Final = 104_857_600  # bytes of one Produce request; Kafka's own default
REQUEST_BYTES_MAX: Final = 16_777_216  # bytes of any other request; a decoded one takes ~40x that
REQUEST_ITEMS_MAX: Final = (
    50_000  # array entries of a request; each may cost 1.4 KB, answer included
)
TAGS_MAX: Final = 1_000  # tagged fields in one place of a message; Kafka has less than ten
BACKLOG_BYTES_MAX: Final = 128 << 20  # bytes of requests that wait for the disk; then all are held
FETCH_BYTES_MAX: Final = 55 << 20  # records of one Fetch answer, read into memory; Kafka's default
FETCH_SESSIONS_MAX: Final = 1_000  # fetch sessions remembered, as in Kafka; then full fetches
FETCH_SESSION_PARTS_MAX: Final = 200_000  # partitions in all of them, 400 bytes each
FETCH_MEMORY_PARTS_MAX: Final = 50_000  # remembered for fetches without one, 900 bytes each

# ---- http_out ----
CALLS_WAITING_MAX: Final = 1_000  # calls of one engine that are not answered yet; more are refused
CALLS_LOOK_MS: Final = 250  # how soon a worker takes part in calls once a pattern asks for them
HTTP_CLIENTS_MAX: Final = 50  # addresses that webhooks keep connections to
HTTP_CONNECTIONS_MAX: Final = 20  # connections to one service; further requests wait for one

# ---- serde ----
SCHEMA_REFERENCES_MAX: Final = 256  # schemas that one schema may use; stops circles and floods
MESSAGE_INDEXES_MAX: Final = 64  # how deep a Protobuf message may be nested in its file

# ---- client ----
CLIENT_QUEUE_KIB: Final = 16_384  # KiB a consumer reads ahead; more only costs memory
TOPIC_UNKNOWN_AFTER_MS: Final = 1_000  # ms a record waits for its topic to come into being
RECORD_OVERHEAD_BYTES: Final = 100  # bytes counted per record beside key, value and headers
PRODUCER_CLOSE_MS: Final = 10_000  # ms that close() waits for answers before it fails the rest
CONSUMER_POLL_MS: Final = 1_000  # ms of one wait for records where the caller names none
CONSUMER_START_WAIT_MS: Final = 5_000  # ms that start() waits for its first partitions
LOG_READER_STALL_MS: Final = 30_000  # ms without progress after which reading a range fails
BROKER_ANSWER_MS: Final = 30_000  # ms a broker may take for an answer that nothing holds back
METRICS_INTERVAL_MS: Final = 1_000  # ms between two `metrics:updated` of an embedded broker
CLIENT_SLICE_MS: Final = 50  # ms of one blocking call on a client thread: others wait that long
CLIENT_SHORT_SLICE_MS: Final = 10  # the same while a consumer commits or asks often

# ---- events, documents, cep ----
PATH_PARTS_MAX: Final = 16  # parts of a field path; deeper data is not addressed by rules
PATH_CHARS_MAX: Final = 256  # characters of a field path
REGEX_CHARS_MAX: Final = 1_024  # characters of a regular expression
REGEX_MEMORY_BYTES: Final = 8 << 20  # bytes RE2 may use for one expression; its own default
PIECES_MEMORY_BYTES: Final = 64 << 20  # bytes RE2 may use for 2,000 pieces of text; twice for more
TEXTS_REMEMBERED_MAX: Final = 20_000  # values of one field whose rules are remembered
TEXT_REMEMBERED_CHARS_MAX: Final = 512  # longer ones are looked at each time
EXPRESSION_CHARS_MAX: Final = 16_384  # characters of an expression
EXPRESSION_DEPTH_MAX: Final = 24  # nested operators; Python's compiler allows 200 brackets
CONDITION_VALUES_MAX: Final = 10_000  # elements of a condition's value; longer lists are tables
CONDITION_TEXT_CHARS_MAX: Final = 4_096  # characters of one text in a condition's value
REPEATED_EVENTS_MAX: Final = 10_000  # events of one line `message repeated N times`
EXPRESSION_VALUE_SIZE_MAX: Final = 65_536  # characters or elements that `+` may join up to

INDEXED_TYPES_MAX: Final = 2_000  # event types told apart by the rule index; further ones cost more
CAPTURED_BYTES_MAX: Final = 16 << 10  # bytes of an event that a run copies; else only its fields
LATE_EVENTS_MAX: Final = 10_000  # events of a key that may be gone through again (allowedLateness)
STATE_BYTES_MAX: Final = 900_000  # one key's saved state with its name; a record holds 1 MiB
PACKED_BYTES_MIN: Final = 1_000_000  # frames and waiting events from here on are compressed
UNPACKED_BYTES_MAX: Final = 64 << 20  # what one of them may unfold to
WAIT_BYTES_MAX: Final = 1_048_000  # a waiting event as it is saved: a record, less its frame
STATE_BYTES_MIN: Final = 8_192  # however little a broker takes
LATE_BYTES_MAX: Final = 500_000  # bytes of them and of what was told; a record holds 1 MiB
CAPTURES_PER_STATE_MAX: Final = 10_000  # events a loop remembers; more count, but are not shown
EVENT_AHEAD_MS_MAX: Final = 300_000  # how far an event's time may lie past its record's (maxFuture)
KEYS_UNPACKED_MAX: Final = 12_000  # keys of one rule kept as objects; the others are bytes
WINDOW_KEYS_UNPACKED_MAX: Final = 200_000  # the same of a window rule: about 1 kB each
CORRELATION_EVENTS_DEFAULT: Final = 10_000  # events of a group whose rule names no maxEvents
CORRELATION_EVENTS_MAX: Final = 100_000  # the most that maxEvents may be; they are kept in memory

ENRICHMENT_CACHE_MAX: Final = 1_000_000  # answers remembered for one enrichment; 10,000 by default
ENRICHMENT_CONCURRENCY_MAX: Final = 256  # requests to one API at a time
ENRICHMENT_RETRIES_MAX: Final = 5  # for one look-up
ENRICHMENT_TIMEOUT_MS_MAX: Final = 10_000  # ms of one request; a batch of events waits for it
ENRICHMENT_BATCH_MS: Final = 10_000  # ms that a batch waits for all its look-ups together
ENRICHMENT_ANSWER_BYTES_MAX: Final = 1 << 20  # bytes of one answer of an API
ENRICHMENT_ROW_BYTES_MAX: Final = 256 << 10  # bytes of one row: records must hold it, and more
STAGED_EVENT_BYTES_MAX: Final = 900_000  # an event that rules made longer; records hold about 1 MB
ENRICHMENT_RECORDED_MAX: Final = 100_000  # look-ups remembered as recorded; others are told again
LOOKUP_ROWS_MAX: Final = 2_000_000  # rows of one lookup table, all in memory
TRANSFORM_OPERATIONS_MAX: Final = 200  # operations of one transformation; each costs every event
DOCUMENT_BYTES_MAX: Final = 4 << 20  # bytes of one text of documents; a thousand rules take about 1
DOCUMENT_NODES_MAX: Final = 200_000  # values in one text, aliases unfolded; stops alias bombs
DOCUMENT_DEPTH_MAX: Final = 40  # nested lists and maps; rules need about ten
DOCUMENT_PROBLEMS_MAX: Final = 100  # problems listed for one document; the others are counted
CHAINED_PATTERNS_MAX: Final = 8  # patterns that start one another, one after the other
PREVIOUS_CHARS_MAX: Final = 1_000  # characters of a text that `previous` remembers
PATTERN_STEPS_MAX: Final = 50  # steps of one pattern, those in groups included
PATTERN_TIMES_MAX: Final = 1_000  # repetitions of a step; each one is a state of the automaton
PATTERN_STATES_MAX: Final = 2_000  # repetitions of all steps together
PATTERN_TEXT_CHARS_MAX: Final = 4_096  # characters of a title or description
TEST_EVENTS_MAX: Final = 100_000  # events of one test of a rule
EXPLAINED_EVENTS_MAX: Final = 10_000  # events of one request that tries a rule

# ---- alerts, journal, flow ----
CORRELATED_VIEW_COUNT_MAX: Final = 10_000  # groups in the view of a service; older ones leave it
CORRELATED_VIEW_BYTES_MAX: Final = 64 << 20  # bytes of their JSON
ALERT_VIEW_COUNT_MAX: Final = 100_000  # alerts in the view of a service; older ones leave it
ALERT_VIEW_BYTES_MAX: Final = 256 << 20  # bytes of their JSON; keeps the view inside a small node
ALERT_INDEX_COUNT_MAX: Final = 1_000_000  # alerts in the searchable view of a service, on disk
ALERT_PAGE_MAX: Final = 10_000  # alerts of one query's page
ALERT_EVENTS_MAX: Final = 100  # events an alert holds whole; half from each end
ALERT_EVENTS_BYTES_MAX: Final = 256 << 10  # their JSON; with evidence well below a record's 1 MiB
ALERT_EVIDENCE_MAX: Final = 2_000  # evidence entries of an alert, about 150 bytes each
DESK_ALERTS_MAX: Final = 100_000  # alerts whose way is known, ~1 KB each; ended ones leave first
DESK_DUPLICATES_MAX: Final = 200_000  # ids of duplicates remembered, ~100 bytes each
DESK_SILENCES_MAX: Final = 1_000  # silences in force; each is asked about every alert that fires
DESK_INHIBITIONS_MAX: Final = 100  # inhibitions; likewise
DESK_CASES_MAX: Final = 10_000  # cases; closed ones leave first, then the oldest
DESK_ENTITIES_MAX: Final = 100_000  # entities whose risk is known; the longest unheard leaves first
DESK_AUDIT_MAX: Final = 20_000  # changes at hand, ~400 bytes each; the topic keeps them all
DESK_CHANNELS_MAX: Final = 1_000  # channels whose notices are counted
DESK_COMMENTS_MAX: Final = 200  # comments of one alert or case; more are refused
DESK_CASE_ALERTS_MAX: Final = 1_000  # ids a case lists; all of its alerts are counted
DESK_ENTITY_ALERTS_MAX: Final = 1_000  # open alerts of an entity an inhibition looks at
ALERT_COMMENT_CHARS_MAX: Final = 10_000  # characters of a comment, a note or a reason
DESK_DECISIONS_MAX: Final = 10_000  # of entries whose writers may still wait; ~1 KB each
ALERT_ENTRY_MS: Final = 5_000  # ms until an entry of the alert log is written, and is read back
METRIC_RULE_KEYS_MAX: Final = 100_000  # keys of metric rules, ~600 bytes each
NOTICE_ATTEMPTS_MAX: Final = 100  # attempts to deliver one notice
DIGEST_ALERTS_MAX: Final = 500  # alerts that one message tells of
ESCALATION_LEVELS_MAX: Final = 20  # levels of one escalation
ALERT_TOLD_MAX: Final = 64  # channels and actions an alert remembers having been told by
NOTICES_WAITING_MAX: Final = 10_000  # notices that wait for their channels; then counted failures
SUPPRESS_KEYS_MAX: Final = 1_000_000  # keys of rules for which an alert stands, ~400 bytes each
EARLY_GROUPS_MAX: Final = 500  # groups of a query whose open windows are told at a time
SUPPRESS_VALUES_MAX: Final = 1_000  # values of `suppress.by` remembered for one key of a rule
CORRECTABLE_VALUES_MAX: Final = 1_000  # alerts of a key of a rule with `allowedLateness`, ~90 bytes
ALERT_TEXT_VALUE_CHARS_MAX: Final = 200  # characters of one value inside a title or description
DEAD_LETTER_BYTES_MAX: Final = 700 << 10  # original value of a dead letter; base64 below 1 MiB
WATERMARK_UNKNOWN: Final = -(1 << 62)  # ms; the watermark of a partition without events
FOLLOWER_BATCH_RECORDS: Final = 2_000  # records a follower takes before it tells who waits
FOLLOWER_POLL_MS: Final = 1_000  # ms a follower waits for records in one call
FOLLOWER_READY_MS: Final = 30_000  # ms in which a topic is read to its end at the start
PROGRESS_TAIL_RECORDS: Final = 500  # read at a start, to find the last figures of every worker
DEFINITION_PUBLISH_MS: Final = 10_000  # ms until a published definition is read back
WORKER_RETRY_MS: Final = 100  # ms before the first retry; doubles up to retryBackoffMaxMs
RESTORE_STALL_MS: Final = 300_000  # ms to restore what is given to a worker; then it tries anew
REFUSED_COMMITS_MAX: Final = 100  # commits refused in a row while the group moves, 50 ms apart
TELL_ALL_MS: Final = 1_000  # ms between two commits that tell other workers everything
FIGURES_TOLD_MS: Final = 1_000  # ms between two tellings of a worker's figures
RULES_TOLD_MAX: Final = 200  # rules whose figures a worker tells, busiest first; 100 bytes each
WORKERS_REMEMBERED_MAX: Final = 1_000  # workers whose last figures a reader keeps
RECOMMIT_MS: Final = 3_600_000  # ms; idle positions are committed anew before they expire
RATE_WINDOW_MS: Final = 10_000  # ms over which a worker's rates are measured
CLOCK_SILENT_MS: Final = 1_000  # ms of silence at an input's end before the clock speaks for it
CLOCK_LOOK_MS: Final = 250  # ms between two looks at whose time goes on by the clock
WAITING_EVENTS_MAX: Final = 200_000  # events that wait for their time before fast inputs rest
RULES_SWITCH_MS: Final = 20_000  # ms a worker waits until all go by other rules
BACKFILL_GIVEN_UP_MS: Final = 60_000  # ms of one failure while workers stand still for a backfill
LAG_LOOK_MS: Final = 5_000  # ms between two looks at how far a worker is behind
INPUTS_REQUEST_MS: Final = 5_000  # ms a worker waits for an answer about topics
WORKER_STOP_MS: Final = 10_000  # ms a stopping worker may take to commit

# ---- ingest, web, services ----
FILE_LINE_BYTES_MAX: Final = 256 * 1024  # a line of a file; as JSON it must fit in a record
FILE_DEAD_LETTER_BYTES: Final = 64 * 1024  # bytes of an over-long line kept in its dead letter
FILE_POLL_INTERVAL_MS: Final = 250  # how often files are looked at
FILE_ROTATE_WAIT_MS: Final = 5_000  # how long a renamed file may still be written to
FILE_DONE_AFTER_MS: Final = 60_000  # a followed file that is unchanged for so long is complete
FILE_UNFOLDED_BYTES_MAX: Final = 16 << 30  # what a compressed file may unfold to
FILE_IN_FLIGHT_BYTES_MAX: Final = 8 * 1024 * 1024  # handed over and not yet acknowledged
FILE_IN_FLIGHT_RECORDS_MAX: Final = 20_000  # the same in records
DATABASE_CHUNK_ROWS: Final = 10_000  # rows of a snapshot that are read at once
DATABASE_QUEUE_CHANGES: Final = 20_000  # changes that are read ahead of the broker
DATABASE_QUEUE_BYTES: Final = 32 * 1024 * 1024  # the same in bytes
DATABASE_HEARTBEAT_MS: Final = 10_000  # how often the place is kept while nothing changes
DATABASE_LAG_ALARM_BYTES: Final = 1024 * 1024 * 1024  # log that the database keeps for a collector
DATABASE_CONNECT_TIMEOUT_MS: Final = 10_000
# A transaction may hold a whole table that has no primary key; an open one holds up readers.
DATABASE_TRANSACTION_TIMEOUT_MS: Final = 300_000
INGEST_ACK_TIMEOUT_MS: Final = 10_000  # how long a request waits for the broker
INGEST_EVENTS_PER_REQUEST_MAX: Final = 10_000  # events of one request
INGEST_EVENT_BYTES_MAX: Final = 1024 * 1024  # one event, as large as a record may be
INGEST_FLUSH_INTERVAL_MS: Final = 100  # how long events wait for batchSize to be reached
INGEST_IN_FLIGHT_BYTES_MAX: Final = 64 * 1024 * 1024  # bodies waiting for the broker
INGEST_REQUEST_TIMEOUT_MS: Final = 30_000  # how long a body may take to come
INGEST_CONNECTIONS_MAX: Final = 1_000  # connections of one collector
SYSLOG_MESSAGE_BYTES_MAX: Final = 64 * 1024  # a message, as large as a datagram may be
SYSLOG_MESSAGE_TIMEOUT_MS: Final = 30_000  # how long a message of a connection may take to come
SYSLOG_RECEIVE_BUFFER_BYTES: Final = 4 * 1024 * 1024  # datagrams that the system holds
INGEST_KEYS_MAX: Final = 200_000  # idempotency keys that are remembered; the oldest go first
INGEST_NOTES_BYTES_MAX: Final = 64 * 1024 * 1024  # what they and their answers may take
TLS_HANDSHAKE_MS: Final = 10_000  # how long the TLS handshake of a connection may take
HTTP_HEAD_TIMEOUT_MS: Final = 20_000  # how long the head of a request may take to come
HTTP_HEAD_BYTES_MAX: Final = 64 * 1024  # the head of a request
INGEST_RESULTS_MAX: Final = 1_000  # events whose places an answer lists
HTTP_BODY_BYTES_MAX: Final = 10 * 1024 * 1024  # a request body; larger ones belong in batches
HTTP_DRAIN_MS: Final = 10_000  # how long a stopping server lets requests finish
HTTP_STALL_MS: Final = 30_000  # how long a stream waits for a client that does not read
LIVE_CLIENTS_MAX: Final = 200  # streams at a time in one process
LIVE_CLIENTS_PER_SENDER_MAX: Final = 50  # of them of one key, token or address elsewhere
LIVE_TAILS_MAX: Final = 50  # of them that read a topic: each is a client of the broker
LIVE_EVENTS_MAX: Final = 1_000  # events that wait for one client; with more it is cut
LIVE_BYTES_MAX: Final = 4 << 20  # their bytes
LIVE_HEARTBEAT_MS: Final = 15_000  # after so long without a result a stream sends a comment
HTTP_KEEP_ALIVE_S: Final = 30  # how long an idle connection stays open
EVENT_ID_CHARS_MAX: Final = 1_024  # characters of a posted event's id; it is remembered
EVENT_IDS_MAX: Final = 500_000  # posted events whose ids are remembered; about 100 MB
CONSUME_RECORDS_MAX: Final = 10_000  # records of one GET /api/consume
CONSUME_WAIT_MS_MAX: Final = 30_000  # how long GET /api/consume may wait for records
