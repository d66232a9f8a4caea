"""Many Sigma rules at once: documents for those that can be had, the reason for the others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any, Final, NamedTuple

from summit.base.errors import Invalid, SummitError

try:
    from sigma.collection import SigmaCollection
except ImportError as _error:
    raise Invalid("extra.missing", what="the import of Sigma rules", extra="sigma") from _error
from sigma.correlations import SigmaCorrelationRule
from sigma.exceptions import SigmaError
from sigma.processing.pipeline import ProcessingPipeline
from sigma.rule import SigmaRule

from summit.documents import validate_pattern
from summit.sigma.correlations import correlation_documents
from summit.sigma.documents import rule_document, rule_id
from summit.sigma.logsources import SourceMapping

# Parts of the texts of problems in a document, and what they are called in a report.
_REASONS: Final = {
    "regular expression": "regex", "the expression is too": "long expression",
    "not available yet": "not available yet", "is no path": "field name", "path": "field name",
    "network": "network",
}  # fmt: skip
_DEPTH_MAX: Final = 10  # of references; rules that refer to each other in a circle end there
Check = Callable[[dict[str, Any]], Any]


class Imported(NamedTuple):
    """A rule that became a document."""

    source: str
    title: str
    document: dict[str, Any]


class Refused(NamedTuple):
    """A rule that did not.

    Attributes:
        reason: A short name, the same for rules of the same fate: `regex`, `aliases` …
        text: What exactly.
    """

    source: str
    title: str
    reason: str
    text: str


class Result(NamedTuple):
    """What became of all rules.

    Attributes:
        members: Rules that only feed correlations, and make no alerts by themselves.
    """

    imported: list[Imported]
    refused: list[Refused]
    members: int

    def reasons(self) -> list[tuple[str, int]]:
        """How many were refused for which reason, the most frequent first."""
        return Counter(refused.reason for refused in self.refused).most_common()


def read_pipeline(text: str) -> Any:
    """A processing pipeline of pySigma. Raises: Invalid("sigma.pipeline")."""
    try:
        return ProcessingPipeline.from_yaml(text)
    except (SigmaError, ValueError, TypeError, KeyError) as error:
        raise Invalid("sigma.pipeline", reason=str(error)) from error


def import_rules(
    texts: Iterable[tuple[str, str]],
    mapping: SourceMapping,
    pipelines: Iterable[Any] = (),
    check: Check = validate_pattern,
) -> Result:
    """Turn Sigma rules into documents.

    Args:
        texts: Name and YAML text of each file.
        pipelines: Applied to every rule, in order.
        check: Whether a document can be used; raises SummitError when not.
    """
    result = Result([], [], 0)
    rules, sources = _parse(texts, result)
    collection = SigmaCollection([], resolve_references=False)
    try:
        collection = SigmaCollection(rules, resolve_references=False)
    except SigmaError as error:  # a filter that cannot be applied
        result.refused.append(Refused("", "", "filter", str(error)))
    piped = list(pipelines)
    quiet: set[int] = set()
    for rule in collection.rules:
        if not isinstance(rule, SigmaCorrelationRule) or rule.generate:
            continue
        if _resolved(rule, collection) and not _is_circular(rule, collection):
            quiet.update(id(reference.rule) for reference in rule.referenced_rules)
    members = 0
    done: set[int] = set()
    for rule in collection.rules:
        if id(rule) in quiet:
            members += 1
            continue
        source = sources.get(id(rule), str(rule.source or ""))
        made = _made(rule, collection, mapping, piped, check, done)
        if isinstance(made, list):
            result.imported.extend(Imported(source, rule.title, each) for each in made)
        else:
            result.refused.append(Refused(source, rule.title, *made))
    return result._replace(members=members)


def _parse(texts: Iterable[tuple[str, str]], result: Result) -> tuple[list[Any], dict[int, str]]:
    rules: list[Any] = []
    sources: dict[int, str] = {}
    for name, text in texts:
        try:
            parsed = SigmaCollection.from_yaml(
                text, collect_errors=True, collect_filters=True, resolve_references=False
            )
        except Exception as error:  # noqa: BLE001 - whatever is in a file, the others go on
            result.refused.append(Refused(name, "", "parse", f"{type(error).__name__}: {error}"))
            continue
        for fault in parsed.errors:
            result.refused.append(Refused(name, "", _kind(fault), str(fault)))
        for rule in (*parsed.rules, *parsed.filters):
            if getattr(rule, "errors", None):
                text_of = "; ".join(str(error) for error in rule.errors)
                if not parsed.errors:
                    kind = _kind(rule.errors[0])
                    result.refused.append(Refused(name, rule.title, kind, text_of))
                continue
            rules.append(rule)
            sources[id(rule)] = name
    return rules, sources


def _resolved(rule: Any, collection: SigmaCollection) -> bool:
    try:
        rule.resolve_rule_references(collection)
    except SigmaError:
        return False
    return True


def _is_circular(rule: Any, collection: SigmaCollection) -> bool:
    """Whether it refers to itself over others; then it is refused, and so nobody's member."""
    members = (reference.rule for reference in rule.referenced_rules)
    try:
        return any(one is rule for each in members for one in _with_members(each, collection))
    except SigmaError:
        return False


def _made(
    rule: Any, collection: SigmaCollection, mapping: SourceMapping, pipelines: list[Any],
    check: Check, done: set[int],
) -> list[dict[str, Any]] | tuple[str, str]:  # fmt: skip
    """The documents, the rule's own first, or the reason and the text.

    Args:
        done: Rules that the pipelines have changed.
    """
    try:
        for each in _with_members(rule, collection):
            if id(each) not in done:  # a pipeline changes the rule, which several may refer to
                done.add(id(each))
                for pipeline in pipelines:
                    pipeline.apply(each)
        if isinstance(rule, SigmaRule):
            documents = [rule_document(rule, mapping)]
        else:
            documents = correlation_documents(rule, mapping)
        for document in documents:
            check(document)
    except SigmaError as error:
        return _kind(error), str(error)
    except SummitError as error:
        return _reason(error), str(error)
    return documents


def _with_members(rule: Any, collection: SigmaCollection, depth: int = 0) -> list[Any]:
    """A rule, and those that it refers to, directly or over others; each once."""
    if not isinstance(rule, SigmaCorrelationRule) or depth > _DEPTH_MAX:
        return [rule]
    rule.resolve_rule_references(collection)
    found = {id(rule): rule}
    for reference in rule.referenced_rules:
        found.update((id(one), one) for one in _with_members(reference.rule, collection, depth + 1))
    return list(found.values())


def _kind(error: Exception) -> str:
    """A short name of an error of pySigma: `modifier`, `logsource`, `regularexpression` …"""
    return type(error).__name__.removeprefix("Sigma").removesuffix("Error").lower()


def _reason(error: SummitError) -> str:
    if error.code == "sigma.unsupported":
        return str(error.details["feature"])
    text = str(error)
    return next((name for part, name in _REASONS.items() if part in text), error.code)


__all__ = ["Imported", "Refused", "Result", "import_rules", "read_pipeline", "rule_id"]
