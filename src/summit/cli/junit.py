"""JUnit XML: test results as build servers read them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

from summit.base.errors import Invalid


class Case(NamedTuple):
    """One test.

    Attributes:
        suite: What it belongs to: a rule's id.
        place: File and pointer.
        failures: What differs, one text each; empty when it passed.
        output: More for people, shown below a failure.
    """

    suite: str
    name: str
    place: str
    seconds: float
    failures: list[str]
    output: str = ""


def junit_xml(cases: Iterable[Case]) -> bytes:
    """The XML document: a suite for each rule, in the order of the cases."""
    suites: dict[str, list[Case]] = {}
    for case in cases:
        suites.setdefault(case.suite, []).append(case)
    every = [case for found in suites.values() for case in found]
    root = ElementTree.Element("testsuites", {"name": "summit rules", **_counts(every)})
    for name, found in suites.items():
        suite = ElementTree.SubElement(root, "testsuite", {"name": _clean(name), **_counts(found)})
        for case in found:
            element = ElementTree.SubElement(
                suite, "testcase",
                {
                    "classname": _clean(case.suite), "name": _clean(case.name),
                    "file": _clean(case.place), "time": f"{case.seconds:.3f}",
                },
            )  # fmt: skip
            if case.failures:
                message = _clean("; ".join(case.failures))
                failure = ElementTree.SubElement(element, "failure", {"message": message})
                failure.text = _clean("\n".join([*case.failures, case.output]).rstrip())
    ElementTree.indent(root)
    text: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return text + b"\n"


def write_junit(path: str, cases: Iterable[Case]) -> None:
    """Write the document to a file. Raises: Invalid("file.unwritable")."""
    try:
        Path(path).write_bytes(junit_xml(cases))
    except OSError as error:
        raise Invalid("file.unwritable", path=path, reason=error.strerror or str(error)) from error


def _counts(cases: list[Case]) -> dict[str, str]:
    return {
        "tests": str(len(cases)),
        "failures": str(sum(bool(case.failures) for case in cases)),
        "errors": "0",
        "time": f"{sum(case.seconds for case in cases):.3f}",
    }


def _clean(text: str) -> str:
    """Without the characters that XML 1.0 cannot hold."""
    return "".join(sign if sign in "\t\n\r" or _allowed(ord(sign)) else "\ufffd" for sign in text)


def _allowed(code: int) -> bool:
    return 0x20 <= code <= 0xD7FF or 0xE000 <= code <= 0xFFFD or code >= 0x10000
