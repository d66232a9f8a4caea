"""Operations that hide: mask, hash, truncateIp. What they are for stays nowhere readable.

They change the field in every place where rules would find it, in lists too.
"""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Callable
from typing import Any

import msgspec

from summit.documents.transform_plan import HashPlan, MaskPlan, TruncateIpPlan
from summit.enrich.effects import Effect, Operation, change_each
from summit.enrich.places import Value, compile_find_everywhere, take
from summit.events.values import as_ip

Secrets = Callable[[str], bytes]
_canonical = msgspec.json.Encoder(order="deterministic").encode


def compile_mask(plan: MaskPlan) -> Operation:
    """Hides characters of texts; numbers and booleans become texts, lists and maps are entered.

    Names of members stay.
    """

    def mask(found: Any) -> Any:
        kind = type(found)
        if kind is dict:
            return {name: mask(item) for name, item in found.items()}
        if kind is list:
            return [mask(item) for item in found]
        return None if found is None else mask_text(_text(found), plan)

    return change_each(compile_find_everywhere(plan.field), mask)


def mask_text(text: str, plan: MaskPlan) -> str:
    """The text with its middle hidden; all of it where that would hide too little.

    As long as the text. Masking what is masked changes nothing.
    """
    at = text.rfind("@") if plan.keeps_domain else -1
    head, tail = (text[:at], text[at:]) if at > 0 else (text, "")
    hidden = len(head) - plan.start_chars - plan.end_chars
    if hidden < plan.hidden_chars_min:
        return plan.char * len(text)
    end = len(head) - plan.end_chars
    return head[: plan.start_chars] + plan.char * hidden + head[end:] + tail


def compile_hash(plan: HashPlan, secrets: Secrets) -> Operation:
    """Replaces values by their HMAC in hexadecimal.

    Of a text its UTF-8 is taken, of other values their JSON with members in order, so that 1 and
    "1" are equal, and an address is found again by who has the key.

    Raises: Invalid("secret.missing").
    """
    key = secrets(plan.key)

    def digest(found: Any) -> str:
        if type(found) in (dict, list):
            plain = _canonical(found)
        else:
            plain = _text(found).encode(errors="surrogatepass")
        return hmac.new(key, plain, plan.algorithm).hexdigest()

    return change_each(compile_find_everywhere(plan.field), digest)


def compile_truncate_ip(plan: TruncateIpPlan) -> Operation:
    """Sets the last bits of addresses to 0. What is no address is removed, and told."""

    def truncate(found: Any) -> Any:
        if type(found) is list:
            return [short for item in found if (short := truncate(item)) is not None]
        address = as_ip(found)
        if address is None:
            return None
        version, number = address
        bits, kept = (32, plan.ipv4_bits) if version == 4 else (128, plan.ipv6_bits)
        number = number >> (bits - kept) << (bits - kept)
        made = ipaddress.IPv4Address(number) if version == 4 else ipaddress.IPv6Address(number)
        return str(made)

    find = compile_find_everywhere(plan.field)

    def operation(value: Value) -> Effect:
        changes, reason = 0, None
        for place in reversed(find(value)):
            if place.value is None:
                continue
            old = place.value
            new = truncate(old)
            if new is None:
                take(place)
            else:
                place.holder[place.key] = new
            changes += new != old
            if new is None or (type(old) is list and len(new) < len(old)):
                reason = "it is no IP address and was removed"
        return Effect(changes, reason)

    return operation


def _text(found: Any) -> str:
    if type(found) is bool:
        return "true" if found else "false"
    return found if type(found) is str else str(found)
