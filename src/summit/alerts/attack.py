"""MITRE ATT&CK: techniques of tags, with their names and tactics.

A tag `attack.t1110` or `attack.t1110.001` names a technique, `attack.credential-access` (or with
an underscore) a tactic. The table holds the techniques of the Enterprise matrix that rules over
logs and network events name most; others keep their id and have no name and no tactics.

Source: MITRE ATT&CK, Enterprise matrix, version 17: ids, names and tactics only.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

import msgspec

_TAG: Final = re.compile(r"attack\.(t\d{4}(?:\.\d{3})?)", re.ASCII | re.IGNORECASE)

TACTICS: Final = (
    "reconnaissance", "resource-development", "initial-access", "execution", "persistence",
    "privilege-escalation", "defense-evasion", "credential-access", "discovery",
    "lateral-movement", "collection", "command-and-control", "exfiltration", "impact",
)  # fmt: skip

_REC, _RES, _INI, _EXE, _PER, _PRI, _DEF, _CRE, _DIS, _LAT, _COL, _CC, _EXF, _IMP = TACTICS

TECHNIQUES: Final[dict[str, tuple[str, tuple[str, ...]]]] = {
    "T1003": ("OS Credential Dumping", (_CRE,)),
    "T1005": ("Data from Local System", (_COL,)),
    "T1007": ("System Service Discovery", (_DIS,)),
    "T1016": ("System Network Configuration Discovery", (_DIS,)),
    "T1018": ("Remote System Discovery", (_DIS,)),
    "T1020": ("Automated Exfiltration", (_EXF,)),
    "T1021": ("Remote Services", (_LAT,)),
    "T1027": ("Obfuscated Files or Information", (_DEF,)),
    "T1030": ("Data Transfer Size Limits", (_EXF,)),
    "T1033": ("System Owner/User Discovery", (_DIS,)),
    "T1036": ("Masquerading", (_DEF,)),
    "T1037": ("Boot or Logon Initialization Scripts", (_PER, _PRI)),
    "T1039": ("Data from Network Shared Drive", (_COL,)),
    "T1040": ("Network Sniffing", (_CRE, _DIS)),
    "T1041": ("Exfiltration Over C2 Channel", (_EXF,)),
    "T1046": ("Network Service Discovery", (_DIS,)),
    "T1047": ("Windows Management Instrumentation", (_EXE,)),
    "T1048": ("Exfiltration Over Alternative Protocol", (_EXF,)),
    "T1049": ("System Network Connections Discovery", (_DIS,)),
    "T1053": ("Scheduled Task/Job", (_EXE, _PER, _PRI)),
    "T1055": ("Process Injection", (_DEF, _PRI)),
    "T1056": ("Input Capture", (_COL, _CRE)),
    "T1057": ("Process Discovery", (_DIS,)),
    "T1059": ("Command and Scripting Interpreter", (_EXE,)),
    "T1068": ("Exploitation for Privilege Escalation", (_PRI,)),
    "T1070": ("Indicator Removal", (_DEF,)),
    "T1071": ("Application Layer Protocol", (_CC,)),
    "T1074": ("Data Staged", (_COL,)),
    "T1078": ("Valid Accounts", (_DEF, _INI, _PER, _PRI)),
    "T1082": ("System Information Discovery", (_DIS,)),
    "T1083": ("File and Directory Discovery", (_DIS,)),
    "T1087": ("Account Discovery", (_DIS,)),
    "T1090": ("Proxy", (_CC,)),
    "T1095": ("Non-Application Layer Protocol", (_CC,)),
    "T1098": ("Account Manipulation", (_PER, _PRI)),
    "T1102": ("Web Service", (_CC,)),
    "T1105": ("Ingress Tool Transfer", (_CC,)),
    "T1110": ("Brute Force", (_CRE,)),
    "T1112": ("Modify Registry", (_DEF, _PER)),
    "T1113": ("Screen Capture", (_COL,)),
    "T1114": ("Email Collection", (_COL,)),
    "T1133": ("External Remote Services", (_INI, _PER)),
    "T1134": ("Access Token Manipulation", (_DEF, _PRI)),
    "T1135": ("Network Share Discovery", (_DIS,)),
    "T1136": ("Create Account", (_PER,)),
    "T1140": ("Deobfuscate/Decode Files or Information", (_DEF,)),
    "T1185": ("Browser Session Hijacking", (_COL,)),
    "T1187": ("Forced Authentication", (_CRE,)),
    "T1189": ("Drive-by Compromise", (_INI,)),
    "T1190": ("Exploit Public-Facing Application", (_INI,)),
    "T1195": ("Supply Chain Compromise", (_INI,)),
    "T1197": ("BITS Jobs", (_DEF, _PER)),
    "T1199": ("Trusted Relationship", (_INI,)),
    "T1203": ("Exploitation for Client Execution", (_EXE,)),
    "T1204": ("User Execution", (_EXE,)),
    "T1210": ("Exploitation of Remote Services", (_LAT,)),
    "T1213": ("Data from Information Repositories", (_COL,)),
    "T1218": ("System Binary Proxy Execution", (_DEF,)),
    "T1219": ("Remote Access Tools", (_CC,)),
    "T1482": ("Domain Trust Discovery", (_DIS,)),
    "T1484": ("Domain or Tenant Policy Modification", (_DEF, _PRI)),
    "T1485": ("Data Destruction", (_IMP,)),
    "T1486": ("Data Encrypted for Impact", (_IMP,)),
    "T1489": ("Service Stop", (_IMP,)),
    "T1490": ("Inhibit System Recovery", (_IMP,)),
    "T1491": ("Defacement", (_IMP,)),
    "T1496": ("Resource Hijacking", (_IMP,)),
    "T1498": ("Network Denial of Service", (_IMP,)),
    "T1499": ("Endpoint Denial of Service", (_IMP,)),
    "T1505": ("Server Software Component", (_PER,)),
    "T1528": ("Steal Application Access Token", (_CRE,)),
    "T1529": ("System Shutdown/Reboot", (_IMP,)),
    "T1530": ("Data from Cloud Storage", (_COL,)),
    "T1531": ("Account Access Removal", (_IMP,)),
    "T1537": ("Transfer Data to Cloud Account", (_EXF,)),
    "T1539": ("Steal Web Session Cookie", (_CRE,)),
    "T1543": ("Create or Modify System Process", (_PER, _PRI)),
    "T1546": ("Event Triggered Execution", (_PER, _PRI)),
    "T1547": ("Boot or Logon Autostart Execution", (_PER, _PRI)),
    "T1548": ("Abuse Elevation Control Mechanism", (_DEF, _PRI)),
    "T1550": ("Use Alternate Authentication Material", (_DEF, _LAT)),
    "T1552": ("Unsecured Credentials", (_CRE,)),
    "T1555": ("Credentials from Password Stores", (_CRE,)),
    "T1556": ("Modify Authentication Process", (_CRE, _DEF, _PER)),
    "T1557": ("Adversary-in-the-Middle", (_COL, _CRE)),
    "T1558": ("Steal or Forge Kerberos Tickets", (_CRE,)),
    "T1560": ("Archive Collected Data", (_COL,)),
    "T1562": ("Impair Defenses", (_DEF,)),
    "T1563": ("Remote Service Session Hijacking", (_LAT,)),
    "T1566": ("Phishing", (_INI,)),
    "T1567": ("Exfiltration Over Web Service", (_EXF,)),
    "T1568": ("Dynamic Resolution", (_CC,)),
    "T1569": ("System Services", (_EXE,)),
    "T1570": ("Lateral Tool Transfer", (_LAT,)),
    "T1571": ("Non-Standard Port", (_CC,)),
    "T1572": ("Protocol Tunneling", (_CC,)),
    "T1573": ("Encrypted Channel", (_CC,)),
    "T1580": ("Cloud Infrastructure Discovery", (_DIS,)),
    "T1586": ("Compromise Accounts", (_RES,)),
    "T1589": ("Gather Victim Identity Information", (_REC,)),
    "T1590": ("Gather Victim Network Information", (_REC,)),
    "T1595": ("Active Scanning", (_REC,)),
    "T1606": ("Forge Web Credentials", (_CRE,)),
    "T1621": ("Multi-Factor Authentication Request Generation", (_CRE,)),
}


class Technique(msgspec.Struct, frozen=True, kw_only=True):
    """One technique of an alert.

    Attributes:
        id: `T1110`, or with its sub-technique `T1110.001`.
        name: Of the technique, without the sub-technique; empty where the table has none.
        tactics: Their short names.
    """

    id: str
    name: str = ""
    tactics: tuple[str, ...] = ()


def techniques_of(tags: Iterable[str]) -> list[Technique]:
    """The techniques that tags name, each once, in their order.

    >>> [(t.id, t.name) for t in techniques_of(["attack.t1110.001", "login", "attack.T1046"])]
    [('T1110.001', 'Brute Force'), ('T1046', 'Network Service Discovery')]
    """
    found: dict[str, Technique] = {}
    for tag in tags:
        named = _TAG.fullmatch(tag)
        if named is not None:
            technique = named[1].upper()
            name, tactics = TECHNIQUES.get(technique[:5], ("", ()))
            found.setdefault(technique, Technique(id=technique, name=name, tactics=tactics))
    return list(found.values())


def tactics_of(tags: Iterable[str]) -> tuple[str, ...]:
    """Every tactic that tags name, by itself or by a technique, in the matrix' order.

    >>> tactics_of(["attack.t1046", "attack.credential_access"])
    ('credential-access', 'discovery')
    """
    tags = list(tags)
    named = {tactic for technique in techniques_of(tags) for tactic in technique.tactics}
    for tag in tags:
        if tag.lower().startswith("attack."):
            named.add(tag[len("attack.") :].lower().replace("_", "-"))
    return tuple(tactic for tactic in TACTICS if tactic in named)
