"""Lists the skipped and expected-failing tests of a JUnit report; fails on an unlisted skip.

Usage: check_skips.py [--count] REPORT.xml. `tools/skips.json` maps a part of a skip's reason to why
it may be skipped where the tests of a landing run. With --count: only the line of totals.
"""

from __future__ import annotations

import json
import sys
import xml.etree.ElementTree as ET
from collections import Counter
from pathlib import Path


def outcome(case: ET.Element) -> str:
    """What became of one test: passed, failed, skipped or xfailed."""
    if case.find("failure") is not None or case.find("error") is not None:
        return "failed"
    skip = case.find("skipped")
    if skip is None:
        return "passed"
    return "xfailed" if skip.get("type") == "pytest.xfail" else "skipped"


def main(report: str, count_only: bool) -> int:
    cases = list(ET.parse(report).getroot().iter("testcase"))
    totals = Counter(map(outcome, cases))
    if count_only:
        print(f"{totals['xfailed']} expected failures: what is not built yet, see tests/guide")
        print(", ".join(f"{totals[what]} {what}" for what in ("passed", "failed", "skipped")))
        return 0
    allowed: dict[str, str] = json.loads((Path(__file__).parent / "skips.json").read_text())
    unlisted = 0
    for case in cases:
        what = outcome(case)
        name = f"{case.get('classname')}.{case.get('name')}"
        for skip in case.iter("skipped"):
            reason = skip.get("message") or ""
            if what == "xfailed":
                print(f"expected failure: {name}: {reason}")
                continue
            listed = any(part in reason for part in allowed)
            unlisted += not listed
            print(f"{'skipped' if listed else 'SKIPPED, NOT LISTED'}: {name}: {reason}")
    return 1 if unlisted or not cases else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[-1], "--count" in sys.argv[1:-1]))
