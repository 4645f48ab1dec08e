"""Logs of the embedded service stay small, and their processes do not notice."""

import sys
import time
from pathlib import Path

import pytest

from embedded import rotation
from embedded.process import ChildProcess
from embedded.rotation import KEPT, rotate
from embedded.supervisor import Supervisor
from tests.support.small_disk import small_disk

TALKER = """
import itertools, time
for number in itertools.count():
    print(f"{number:0999d}", flush=True)
    time.sleep(0.001)
"""


def sizes(log: Path) -> list[int]:
    return [path.stat().st_size for path in sorted(log.parent.iterdir())]


def test_a_log_is_continued_in_an_empty_file_and_the_last_ones_are_kept(tmp_path: Path) -> None:
    log = tmp_path / "api.log"
    for number in range(6):
        log.write_bytes(b"%d" % number * 101)
        assert rotate(log, largest=100)
        assert not rotate(log, largest=100)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "api.log",
        "api.log.1",
        "api.log.2",
        "api.log.3",
    ]
    assert [path.read_bytes()[:1] for path in sorted(tmp_path.iterdir())] == [b"", b"5", b"4", b"3"]


def test_a_log_that_is_small_or_missing_stays_as_it_is(tmp_path: Path) -> None:
    log = tmp_path / "api.log"
    assert not rotate(log)
    log.write_bytes(b"1" * 100)
    assert not rotate(log, largest=100)
    assert sizes(log) == [100]


def test_a_process_that_talks_for_ever_fills_no_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It goes on writing to the file that it has open."""
    largest = 50_000
    monkeypatch.setattr(rotation.rotate, "__kwdefaults__", {"largest": largest, "kept": KEPT})
    child = ChildProcess("talker", [sys.executable, "-c", TALKER], log=tmp_path / "logs" / "talker.log")
    supervisor = Supervisor({"talker": child}, lambda _: None, tell=pytest.fail)
    try:
        deadline = time.monotonic() + 60
        while len(sizes(child.log)) <= KEPT or sizes(child.log)[0] == 0:
            assert time.monotonic() < deadline
            supervisor.mend()
            time.sleep(0.01)
        assert len(child.log_tail(1)) == 999, "the last line is whole"
        lines = child.log.read_text().splitlines()
        assert all(len(line) == 999 for line in lines), "there is no hole at the beginning of the file"
    finally:
        child.stop(grace=0)
    assert sum(sizes(child.log)) < 2 * (KEPT + 1) * largest
    assert len(sizes(child.log)) == KEPT + 1


def test_a_large_log_of_before_is_rotated_at_the_start(tmp_path: Path) -> None:
    log = tmp_path / "api.log"
    with log.open("wb") as file:
        file.truncate(rotation.LARGEST + 1)
    child = ChildProcess("echo", ["/bin/echo", "hello"], log=log)
    assert child.wait(30) == 0
    assert (child.log_tail(), log.read_text()) == ("hello", "hello\n")


def test_on_a_full_disk_there_is_no_copy(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", bytes_=2**20) as disk:
        log = disk / "api.log"
        log.write_bytes(b"x" * 800_000)
        assert rotate(log, largest=100)
        assert [path.name for path in disk.iterdir()] == ["api.log"]
        assert sizes(log) == [0]
