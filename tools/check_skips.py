"""Lists the skipped and expected-failing tests of a JUnit report; fails on an unlisted skip.

Usage: check_skips.py REPORT.xml. `tools/skips.json` maps a part of a skip's reason to why it may
be skipped where the tests of a landing run.
"""

from __future__ import annotations

import json
import sys
import xml.etree.ElementTree as ET
from pathlib import Path


def main(report: str) -> int:
    allowed: dict[str, str] = json.loads((Path(__file__).parent / "skips.json").read_text())
    unlisted = 0
    for case in ET.parse(report).getroot().iter("testcase"):
        for skip in case.iter("skipped"):
            name = f"{case.get('classname')}.{case.get('name')}"
            reason = skip.get("message") or ""
            if skip.get("type") == "pytest.xfail":
                print(f"expected failure: {name}: {reason}")
                continue
            listed = any(part in reason for part in allowed)
            unlisted += not listed
            print(f"{'skipped' if listed else 'SKIPPED, NOT LISTED'}: {name}: {reason}")
    return 1 if unlisted else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
