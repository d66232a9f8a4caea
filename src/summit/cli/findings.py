"""What rules of any kind found, as commands print it: alerts, correlated groups, results."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from summit.cli.alerts import alert_row, show_alert
from summit.cli.output import counted, print_item, say, time_text
from summit.cli.query import show_result

if TYPE_CHECKING:
    from summit.flow.past_findings import Finding


def show_finding(found: Finding, output: str | None) -> None:
    """Print one: a JSON line, or lines for people. What is only told once more is left out."""
    if found.alert is not None:
        show_alert(alert_row(found.alert), output)
    elif found.kind == "correlation":
        _show_group(found.document, output)
    elif found.kind == "result":
        show_result(found.document, output)


def finding_row(found: Finding) -> dict[str, Any]:
    """One as JSON."""
    return alert_row(found.alert) if found.alert is not None else found.document


def found_text(counts: Any) -> str:
    """How many alerts, and of the others where there are any.

    Args:
        counts: Has `alerts`, `correlations` and `results`.
    """
    texts = [counted(counts.alerts, "alert")]
    if counts.correlations:
        texts.append(counted(counts.correlations, "correlation"))
    if counts.results:
        texts.append(counted(counts.results, "result"))
    if not counts.alerts:
        texts = texts[1:] or texts
    return ", ".join(texts)


def _show_group(group: dict[str, Any], output: str | None) -> None:
    if print_item(group, output):
        return
    key = ", ".join(map(str, group["key"]))
    why = group["closeReason"] or "open"
    say(
        f"{time_text(group['timestamp'])}  {group['rule']}  {key}  "
        f"{counted(group['count'], 'event')}  {why}"
    )
