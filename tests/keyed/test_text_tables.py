"""Rules found by pieces of text: the same as when every rule is asked."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from summit.cep.rules import compile_rules
from summit.documents import validate_pattern
from summit.documents.plan import PatternPlan
from summit.events.event import parse_event
from summit.events.expressions import compile_predicate, parse_expression
from summit.events.layouts import EventLayout
from summit.events.values import lower_ascii
from summit.keyed.chunks import Chunk
from summit.keyed.field_table import FieldTable
from summit.keyed.processor import Processor

FIELDS = ("Image", "Line", "m.path")
PIECES = ("cmd", "CMD.exe", "\\\\x", "who", "a", "ami /all", "é")
TESTS = st.builds(
    lambda field, how, piece: how.format(
        field=field, piece=piece, lower=piece.lower(), regex=piece.replace("\\", "\\\\")
    ),
    st.sampled_from(FIELDS),
    st.sampled_from([
        '{field}.lowerAscii().contains("{lower}")', '{field}.contains("{piece}")',
        '{field}.lowerAscii().endsWith("{lower}")', '{field}.startsWith("{piece}")',
        '{field} == "{piece}"', '{field} in ["{piece}", "zz"]', '{field}.matches("(?i){regex}.*x")',
        '!holds({field}.contains("{piece}"))', "has({field})", '{field} != "{piece}"',
    ]),
    st.sampled_from(PIECES),
)  # fmt: skip
OTHER_TESTS = st.sampled_from([
    "n == 1", "n in [0, 1, 2, \"cmd\"]", "n != 2", "n > 1", "n * 2 == 4", "Image == Line",
    "size(Line) > 3", "!holds(n == 1)", "n == true", "Line.lowerAscii() in [\"cmd\", \"a\"]",
    '!(Image.contains("a"))', 'n == "a" || Image == "a" || Line == "a"',
])  # fmt: skip
PREDICATES = st.recursive(
    TESTS | OTHER_TESTS,
    lambda inner: st.one_of(
        st.lists(inner, min_size=2, max_size=3).map(lambda parts: f"({' && '.join(parts)})"),
        st.lists(inner, min_size=2, max_size=3).map(lambda parts: f"({' || '.join(parts)})"),
        inner.map(lambda part: f"holds({part})"),
    ),
    max_leaves=6,
)
TEXTS = st.lists(st.sampled_from((*PIECES, "x", " ", "CMD", "É")), max_size=5).map("".join)
VALUES = st.one_of(TEXTS, TEXTS, st.none(), st.integers(0, 2), st.lists(TEXTS, max_size=2))
NUMBERS = st.sampled_from([0, 1, 2, 2.0, 1.0, True, False, "a", "cmd", None, [1, 2], {"a": 1}])
EVENTS = st.builds(
    lambda kind, image, line, path, n, where: {
        "eventType": kind, "timestamp": 1, "Image": image, "m": {"path": path},
        **({"Line": line, "n": n} if where is None else {where: {"Line": line, "n": n}}),
    },
    st.sampled_from(["start", "start", "other"]), VALUES, VALUES, VALUES, NUMBERS,
    st.sampled_from([None, None, "data", "metadata"]),
)  # fmt: skip


@pytest.fixture(autouse=True, scope="module")
def _clues_are_chosen_anew_soon() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("summit.keyed.field_table._SAMPLE", 2)
        patch.setattr("summit.keyed.field_table._SAMPLE_EACH", 2)
        yield


def plans(predicates: list[str]) -> list[PatternPlan]:
    return [
        validate_pattern(
            {
                "kind": "pattern", "id": f"r{number:03}", "name": "r",
                "steps": [{"name": "s", "where": ['eventType == "start"', text]}],
            }
        ).plan
        for number, text in enumerate(predicates)
    ]  # fmt: skip


def found(some: list[PatternPlan], values: list[bytes]) -> list[tuple[str, int]]:
    chunk = Chunk("t", 0, range(len(values)), [1] * len(values), values)
    outputs = Processor(compile_rules(some)).apply((chunk,)).outputs
    return [(match.pattern_id, match.captures[0][1].offset) for match in outputs.found]


@settings(max_examples=60, deadline=None)
@given(st.lists(PREDICATES, min_size=4, max_size=12), st.lists(EVENTS, min_size=1, max_size=12))
def test_the_same_as_asking_every_rule(predicates: list[str], events: list[dict[str, Any]]) -> None:
    some = plans(predicates)
    values = [json.dumps(event).encode() for event in events]
    expected = []
    for offset, value in enumerate(values):
        event = parse_event(value)
        for plan in some:
            (step,) = plan.steps
            assert step.predicate is not None
            if compile_predicate(step.predicate, EventLayout())(event):
                expected.append((plan.id, offset))
    assert found(some, values) == expected


def test_a_thousand_rules_are_not_asked() -> None:
    """An event that holds no piece of any rule concerns none."""
    some = plans([f'Line.lowerAscii().contains("attack-{number:04}")' for number in range(1_000)])
    rules = compile_rules(some)
    index = rules.index("t")
    assert index is not None
    probe = index["start"]
    assert probe is not None
    event = rules.decode(b'{"eventType": "start", "Line": "harmless"}')
    assert probe.find(event) == ()
    bad = rules.decode(b'{"eventType": "start", "Line": "ATTACK-0007 Attack-0999"}')
    assert [one.rule for one in probe.find(bad)] == [7, 999]
    several = rules.decode(b'{"eventType": "start", "Line": ["attack-0007"]}')
    assert probe.find(several) == ()  # lists are put to the rules themselves


def test_after_a_while_common_texts_call_for_no_test() -> None:
    wanted = parse_expression('x.contains("C:/common/place/") && x.contains("rare")')
    table = FieldTable([(wanted, 1)], 1)
    for n in range(4):
        assert table[f"C:/common/place/{n}"] == 0
    asked = []
    (test,) = table._tests
    holds = test.holds
    test.holds = lambda value, lower: asked.append(value) or holds(value, lower)
    assert table["C:/common/place/5"] == 0
    assert asked == []
    assert table["C:/common/place/rare"] == 1


def test_pieces_that_decide_by_themselves_and_share_a_part() -> None:
    """Only in texts of ASCII: elsewhere a piece may be found that lower case does not show."""
    texts = ["imphash=aa", "imphash=kb", "md5=1,imphash=c"]
    nodes = [parse_expression(f'x.lowerAscii().contains("{text}")') for text in texts]
    either = parse_expression(
        'x.lowerAscii().contains("imphash=aa") || x.matches("(?i)imphash=k[0-9]")'
    )
    nodes.append(either)
    nodes.append(parse_expression('!holds(x.lowerAscii().contains("imphash=kb"))'))
    nodes.append(parse_expression('x.contains("IMPHASH=AA") && x.contains("imphash=aa")'))
    table = FieldTable([(node, 1 << bit) for bit, node in enumerate(nodes)], (1 << len(nodes)) - 1)
    single = [FieldTable([(node, 1)], 1) for node in nodes]
    values = [
        "", "none", "IMPHASH=AA", "x imphash=Kb y", "imphash=\u212ab", "IMPHASH=k7",
        "imphash=\u212a7", "md5=1,imphash=c imphash=aa", "é imphash=aa", "IMPHASH=AA imphash=aa",
        "\u0130MPHASH=aa",
    ]  # fmt: skip
    for _ in range(2):  # as they come, and as they are remembered
        for value in values:
            told = [bool(table[value] >> bit & 1) for bit in range(len(nodes))]
            expected = [text in (lower_ascii(value) or "") for text in texts]
            assert told[:3] == expected, value
            assert told == [bool(one[value]) for one in single], value
            assert told[4] is not told[1]
