"""mask, hash, truncateIp: what they hide stays nowhere."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.enrich.transforms import operation, result, transform

from summit.documents.transform_plan import MaskPlan
from summit.enrich.privacy import mask_text

Value = dict[str, Any]


@pytest.mark.parametrize(
    ("found", "config", "expected"),
    [
        ("john.smith@corp.local", {"preserveStart": 2, "preserveEnd": 10}, "jo*********corp.local"),
        ("ab@x.com", {"preserveStart": 2, "preserveEnd": 10}, "********"),
        ("secret", {}, "******"),
        ("", {}, ""),
        ("abcde", {"preserveStart": 1, "preserveEnd": 1}, "a***e"),
        ("abcd", {"preserveStart": 1, "preserveEnd": 1}, "****"),  # two would be too few
        ("abcd", {"preserveStart": 1, "preserveEnd": 1, "minMasked": 1}, "a**d"),
        ("ab", {"preserveStart": 2, "minMasked": 1}, "**"),
        ("john.smith@corp.local", {"preserveStart": 1, "preserveDomain": True},
         "j*********@corp.local"),
        ("jo@corp.local", {"preserveDomain": True}, "*************"),
        ("@handle", {"preserveDomain": True, "preserveStart": 1}, "@******"),
        ("äöüß", {"maskChar": "•", "minMasked": 1, "preserveStart": 1}, "ä•••"),
        (1234567, {"preserveEnd": 4}, "***4567"),
        (True, {}, "****"),
        (None, {}, None),
        (["abc", {"x": "defg"}, None, 12], {}, ["***", {"x": "****"}, None, "**"]),
    ],
)  # fmt: skip
def test_mask(found: Any, config: Value, expected: Any) -> None:
    assert result({"f": found}, "mask", "f", **config) == {"f": expected}


def test_a_mask_reaches_every_place_where_rules_would_find_the_field() -> None:
    event = {
        "user": [{"mail": "one@x.org"}, {"mail": "two@x.org"}],
        "metadata": {"user": {"mail": "three@x.org"}},
        "data": {"user.mail": "four@x.org"},
        "enrichedData": {"user": {"mail": ["five@x.org"]}},
        "user.mail": "six@x.org",
    }
    nested = {"user": {"name": {"mail": "seven@x.org"}}, "user.name": [{"mail": "eight@x.org"}]}
    assert "@" not in json.dumps(result(nested, "mask", "user.name.mail"))
    done = transform(event, operation("mask", "user.mail"))
    assert "@" not in json.dumps(done.value)
    assert done.changed == (("r", "mask", 6),)


def test_both_names_of_the_source_are_masked() -> None:
    done = transform({"eventSource": "host-1"}, operation("mask", "source"))
    assert done.value == {"eventSource": "******"}


def test_a_pinned_mask_stays_in_its_container() -> None:
    value = {"a": "open", "metadata": {"a": "hidden"}}
    assert result(value, "mask", "metadata.a") == {"a": "open", "metadata": {"a": "******"}}


plans = st.builds(
    MaskPlan,
    field=st.just(("f",)),
    char=st.sampled_from("*@x•"),
    start_chars=st.integers(0, 6),
    end_chars=st.integers(0, 12),
    hidden_chars_min=st.integers(1, 5),
    keeps_domain=st.booleans(),
)


@given(st.text(alphabet="ab@.*ä😀", max_size=24), plans)
def test_masking_twice_is_masking_once_and_never_longer(text: str, plan: MaskPlan) -> None:
    once = mask_text(text, plan)
    assert len(once) == len(text)
    assert mask_text(once, plan) == once


@given(st.text(alphabet="abcdef", min_size=1, max_size=24), plans)
def test_a_mask_hides_at_least_its_least(text: str, plan: MaskPlan) -> None:
    masked = mask_text(text, plan)
    hidden = sum(char == plan.char for char in masked)
    assert hidden >= min(plan.hidden_chars_min, len(text))
    shown = [(old, new) for old, new in zip(text, masked, strict=True) if new != plan.char]
    assert all(old == new for old, new in shown)
    assert len(shown) <= plan.start_chars + plan.end_chars


def _hmac(text: str, algorithm: str = "sha256") -> str:
    return hmac.new(b"a secret", text.encode(), getattr(hashlib, algorithm)).hexdigest()


@pytest.mark.parametrize(
    ("found", "plain"),
    [
        ("eve", "eve"), (1, "1"), ("1", "1"), (False, "false"), ("", ""),
        ({"b": 1, "a": [True]}, '{"a":[true],"b":1}'), ([1, "x"], '[1,"x"]'),
    ],
)  # fmt: skip
def test_hash_is_the_hmac(found: Any, plain: str) -> None:
    assert result({"f": found}, "hash", "f", key="${KEY}") == {"f": _hmac(plain)}


def test_hash_with_another_algorithm_and_elements() -> None:
    value = {"users": ["eve", None, "bob"]}
    new = result(value, "hash", "users.*", key="${KEY}", algorithm="sha512")
    assert new == {"users": [_hmac("eve", "sha512"), None, _hmac("bob", "sha512")]}


@pytest.mark.parametrize(
    ("found", "config", "expected"),
    [
        ("192.0.2.77", {}, "192.0.2.0"),
        ("192.0.2.77", {"ipv4Bits": 16}, "192.0.0.0"),
        ("192.0.2.77", {"ipv4Bits": 0}, "0.0.0.0"),
        ("192.0.2.77", {"ipv4Bits": 32}, "192.0.2.77"),
        ("2001:db8:1:2:3:4:5:6", {}, "2001:db8:1::"),
        ("::ffff:192.0.2.77", {}, "192.0.2.0"),
        (["192.0.2.77", "2001:db8::1"], {"ipv6Bits": 16}, ["192.0.2.0", "2001::"]),
    ],
)
def test_truncate_ip(found: Any, config: Value, expected: Any) -> None:
    new = result({"ip": found}, "truncateIp", "ip", **config)
    assert new == {"ip": expected}
    assert result(new, "truncateIp", "ip", **config) == new


@pytest.mark.parametrize("found", ["192.0.2.77:443", "web1.local", 3_221_226_061, {"v4": "x"}, ""])
def test_what_is_no_address_does_not_stay(found: Any) -> None:
    done = transform({"ip": found, "x": 1}, operation("truncateIp", "ip"))
    assert done.value == {"x": 1}
    assert "removed" in done.faults[0].reason


def test_of_a_list_only_addresses_stay() -> None:
    done = transform({"ip": ["192.0.2.77", "web1"]}, operation("truncateIp", "ip"))
    assert done.value == {"ip": ["192.0.2.0"]}
    assert len(done.faults) == 1
    done = transform({"ip": ["192.0.2.77", "web1", "x"]}, operation("truncateIp", "ip.*"))
    assert done.value == {"ip": ["192.0.2.0"]}


def test_a_missing_field_is_no_fault() -> None:
    for name, config in (("mask", {}), ("hash", {"key": "${KEY}"}), ("truncateIp", {})):
        assert result({"x": {"y": 1}}, name, "x.y.z", **config) == {"x": {"y": 1}}
