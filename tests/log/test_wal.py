"""The write-ahead log's files: switching, preparing, reusing, trimming."""

from __future__ import annotations

import errno

import pytest
from tests.sim.faulty_files import FaultyFiles

from summit.base.errors import Corrupt
from summit.base.rand import Rand
from summit.log.wal import WriteAheadLog, wal_numbers
from summit.log.wal_format import WalEntry, decode_file_header, decode_records

FILE_BYTES = 8192


def a_wal(files: FaultyFiles, number: int = 1) -> WriteAheadLog:
    files.make_dirs("/wal")
    files.sync_dir("/")
    return WriteAheadLog(files, "/wal", file_bytes=FILE_BYTES, number=number, rand=Rand(3))


def an_entry(size: int = 1000, base_offset: int = 0) -> WalEntry:
    return WalEntry(bytes(16), 0, base_offset, b"x" * size)


def read_all(files: FaultyFiles) -> list[int]:
    """The base offsets of all entries, in the order that recovery sees."""
    found: list[int] = []
    for number in wal_numbers(files, "/wal"):
        data = files.read_bytes(f"/wal/{number:020d}.wal")
        seed = decode_file_header(data, number)
        if seed is not None:
            records = decode_records(data, seed, None)
            found += [entry.base_offset for record in records for entry in record.entries]
    return found


def test_files_follow_one_another() -> None:
    files = FaultyFiles()
    wal = a_wal(files, number=4)
    for offset in range(20):
        wal.append([an_entry(base_offset=offset)])
    assert wal.file_number == 10
    assert wal_numbers(files, "/wal") == list(range(4, 11))
    assert read_all(files) == list(range(20))
    assert read_all(files.crash("none")) == list(range(20))


def test_a_next_file_is_made_ready_and_taken() -> None:
    files = FaultyFiles()
    wal = a_wal(files)
    assert not wal.wants_next_file
    wal.append([an_entry()])
    wal.append([an_entry()])
    assert wal.wants_next_file
    wal.prepare()
    assert not wal.wants_next_file
    assert wal_numbers(files, "/wal") == [1, 2]
    files.history.clear()
    for offset in range(3):
        wal.append([an_entry(base_offset=offset)])
    assert wal.file_number == 2
    assert {operation for operation, _ in files.history} == {"pwrite", "datasync"}


def test_old_files_are_used_again() -> None:
    files = FaultyFiles()
    wal = a_wal(files)
    for offset in range(10):
        wal.append([an_entry(base_offset=offset)])
    assert wal_numbers(files, "/wal") == [1, 2, 3, 4]
    wal.trim(4)
    assert wal_numbers(files, "/wal") == [4, 5]
    assert not wal.wants_next_file
    # File 5 is old file 1 with its records; they must not come back.
    assert read_all(files) == [9]
    for offset in range(10, 14):
        wal.append([an_entry(base_offset=offset)])
    assert wal.file_number == 5
    assert read_all(files) == [9, 10, 11, 12, 13]
    wal.trim(4)
    assert wal_numbers(files, "/wal") == [4, 5]


def test_a_group_larger_than_a_file() -> None:
    files = FaultyFiles()
    wal = a_wal(files)
    wal.append([an_entry(100, 0)])
    wal.append([an_entry(50_000, 1), an_entry(70_000, 2)])
    wal.append([an_entry(100, 3)])
    wal.prepare()
    wal.append([an_entry(200_000, 4)])
    assert read_all(files) == [0, 1, 2, 3, 4]
    wal.trim(wal.file_number)
    assert read_all(files) == [4]
    wal.append([an_entry(6000, 5)])
    assert read_all(files) == [4, 5]


@pytest.mark.parametrize("call", range(1, 12))
def test_a_full_disk_leaves_room_for_the_next_try(call: int) -> None:
    files = FaultyFiles(call)
    wal = a_wal(files)
    for offset in range(3):
        wal.append([an_entry(base_offset=offset)])
    files.fault_at = {files.calls + call: errno.ENOSPC}
    expected = [0, 1, 2]
    for offset in range(3, 9):
        try:
            wal.append([an_entry(base_offset=offset)])
        except OSError:
            continue
        except Corrupt:
            return  # the sync itself failed: for good
        expected.append(offset)
    assert read_all(files.crash("none")) == expected


def test_closing_removes_the_files_and_abandoning_does_not() -> None:
    files = FaultyFiles()
    wal = a_wal(files)
    wal.append([an_entry()])
    wal.prepare()
    wal.abandon()
    assert wal_numbers(files, "/wal") == [1, 2]
    wal = a_wal(files, number=3)
    for _ in range(9):
        wal.append([an_entry()])
    wal.close()
    assert wal_numbers(files, "/wal") == [1, 2]
