"""JUnit XML: well formed whatever a rule's texts hold, and the counts are right."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from summit.base.errors import Invalid
from summit.cli.junit import Case, junit_xml, write_junit

CASES = [
    Case("brute", "one", "r.yaml:1/tests/0", 0.5, []),
    Case("brute", 'a < b & "c" \x00 \ud800', "r.yaml:1/tests/1", 0.25, ["0 alerts instead of 1"],
         "- alerts: 1\n+ alerts: 0"),
    Case("other", "one", "s.yaml:3/tests/0", 0.0, ["x", "y"]),
]  # fmt: skip


def test_the_document() -> None:
    root = ElementTree.fromstring(junit_xml(CASES))
    assert (root.tag, root.get("tests"), root.get("failures")) == ("testsuites", "3", "2")
    brute, other = root
    assert (brute.get("name"), brute.get("tests"), brute.get("failures"), brute.get("time")) == (
        "brute", "2", "1", "0.750",
    )  # fmt: skip
    good, bad = brute
    assert (good.get("classname"), good.get("name"), len(good)) == ("brute", "one", 0)
    assert bad.get("name") == 'a < b & "c" \ufffd \ufffd'
    assert bad[0].get("message") == "0 alerts instead of 1"
    assert bad[0].text == "0 alerts instead of 1\n- alerts: 1\n+ alerts: 0"
    assert other[0][0].get("message") == "x; y"


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    write_junit(str(tmp_path / "found.xml"), [])
    assert ElementTree.parse(tmp_path / "found.xml").getroot().get("tests") == "0"
    with pytest.raises(Invalid, match="cannot write"):
        write_junit(str(tmp_path / "missing" / "found.xml"), [])
