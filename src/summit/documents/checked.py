"""What a checked document of any kind is: its text as it was given, and what it means."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar

from summit.documents.rule_tests import RuleTest

Plan = TypeVar("Plan")


@dataclass(frozen=True, slots=True)
class CheckedDocument(Generic[Plan]):
    """A document that is free of problems.

    Attributes:
        values: The document as it was given.
        plan: What it means.
        tests: Events that it is tried on, and what must come of them.
    """

    kind: ClassVar[str]

    values: Mapping[str, Any]
    id: str
    enabled: bool
    plan: Plan
    tests: tuple[RuleTest, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The document again, with its kind."""
        return {"kind": self.kind, **self.values}
