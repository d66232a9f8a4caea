"""The gate's own tools: skips are judged, targets are judged."""

from pathlib import Path

import pytest
from bench.run import FIGURES, Figure, row, table
from tools import check_skips

REPORT = """<testsuites><testsuite>
<testcase classname="a" name="passes"/>
<testcase classname="a" name="fails"><failure message="no"/></testcase>
<testcase classname="a" name="not_built"><skipped type="pytest.xfail" message="later"/></testcase>
{skip}</testsuite></testsuites>"""
SKIP = '<testcase classname="a" name="s"><skipped type="pytest.skip" message="{}"/></testcase>'


@pytest.mark.parametrize(
    ("skip", "code", "counts"),
    [
        ("", 0, "1 passed, 1 failed, 0 skipped"),
        (SKIP.format("needs x, which is not part of the project"), 0,
         "1 passed, 1 failed, 1 skipped"),
        (SKIP.format("kcat is not installed"), 1, "1 passed, 1 failed, 1 skipped"),
    ],
)  # fmt: skip
def test_an_unlisted_skip_fails(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], skip: str, code: int, counts: str
) -> None:
    report = tmp_path / "junit.xml"
    report.write_text(REPORT.format(skip=skip))
    assert check_skips.main(str(report), False) == code
    assert ("NOT LISTED" in capsys.readouterr().out) == (code == 1)
    assert check_skips.main(str(report), True) == 0
    assert capsys.readouterr().out.splitlines()[-1] == counts


def test_a_report_without_tests_fails(tmp_path: Path) -> None:
    (tmp_path / "junit.xml").write_text("<testsuites/>")
    assert check_skips.main(str(tmp_path / "junit.xml"), False) == 1


@pytest.mark.parametrize(
    ("figures", "right", "shown", "result"),
    [
        ([3.0, 1.0, 2.0], True, 2.0, "pass"),
        ([3.0, 9.0, 8.0], True, 8.0, "MISSED"),
        ([1.0, 1.0, 1.0], False, 1.0, "WRONG"),
    ],
)
def test_the_median_run_is_judged(
    figures: list[float], right: bool, shown: float, result: str
) -> None:
    figure = Figure(what="w", line={"bench": "b"}, key="k", unit="CPU-s", most=5, right="ok")
    lines = [{"bench": "b", "k": value, "ok": right} for value in figures]
    found = row(figure, [*lines, {"bench": "other"}])
    assert (found["figure"], found["result"]) == (shown, result)


def test_wall_clock_shows_the_lowest_run_and_what_did_not_run_is_said() -> None:
    figure = Figure(what="w", line={"bench": "b"}, key="k", unit="ms", most=5)
    assert row(figure, [{"bench": "b", "k": value} for value in (9.0, 4.0)])["result"] == "pass"
    assert "not run" in table([row(figure, []) for figure in FIGURES])
