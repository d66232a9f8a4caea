"""Looking into log files from outside: what stands in them, and whether they are sound."""

from __future__ import annotations

from summit.inspection.dumping import dump_file
from summit.inspection.finding import files_to_inspect
from summit.inspection.repairing import Repaired, repair
from summit.inspection.verifying import Found, verify

__all__ = ["Found", "Repaired", "dump_file", "files_to_inspect", "repair", "verify"]
