"""Documents: what users write in JSON or YAML, checked with pointers and lowered to plans."""

from summit.documents.backfill import BackfillDocument, validate_backfill
from summit.documents.collector import CollectorDocument, validate_collector
from summit.documents.correlation import CorrelationDocument, validate_correlation
from summit.documents.document import Document, validate_document
from summit.documents.enrichment import EnrichmentDocument, validate_enrichment
from summit.documents.event_pattern import (
    EventAction,
    EventCondition,
    EventPattern,
    WindowConfig,
)
from summit.documents.filter import FilterDocument, validate_filter
from summit.documents.flow import FLOW_ID, FlowDocument, validate_flow
from summit.documents.notification import NotificationDocument, validate_notification
from summit.documents.parsing import Parsed, parse_documents
from summit.documents.pattern import PatternDocument, lower_pattern, validate_pattern
from summit.documents.problems import Problem, described
from summit.documents.query import QueryDocument, validate_query
from summit.documents.route import RouteDocument, validate_route
from summit.documents.rule_tests import (
    RuleTest,
    expand_test_events,
    failed_counts,
    failed_expectations,
)
from summit.documents.stream import StreamDocument, validate_stream
from summit.documents.transformation import TransformationDocument, validate_transformation
from summit.documents.yaml_writing import yaml_text

__all__ = [
    "FLOW_ID",
    "BackfillDocument",
    "CollectorDocument",
    "CorrelationDocument",
    "Document",
    "EnrichmentDocument",
    "EventAction",
    "EventCondition",
    "EventPattern",
    "FilterDocument",
    "FlowDocument",
    "NotificationDocument",
    "Parsed",
    "PatternDocument",
    "Problem",
    "QueryDocument",
    "RouteDocument",
    "RuleTest",
    "StreamDocument",
    "TransformationDocument",
    "WindowConfig",
    "described",
    "expand_test_events",
    "failed_counts",
    "failed_expectations",
    "lower_pattern",
    "parse_documents",
    "validate_backfill",
    "validate_collector",
    "validate_correlation",
    "validate_document",
    "validate_enrichment",
    "validate_filter",
    "validate_flow",
    "validate_notification",
    "validate_pattern",
    "validate_query",
    "validate_route",
    "validate_stream",
    "validate_transformation",
    "yaml_text",
]
