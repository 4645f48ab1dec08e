import multiprocessing
import time
from multiprocessing.connection import Connection

import pytest
from pydantic import ByteSize

from api.models import Evaluation
from api.runs.claims import Claim
from api.settings import Settings
from worker.announcements import Announcements, Underway
from worker.limits import TimeLimit, memory_limit, time_limit
from worker.memory import machine_memory, used_memory


@pytest.mark.parametrize(
    ("to_deadline", "seconds", "code"),
    [(None, 50, "time_limit_exceeded"), (60, 50, "time_limit_exceeded"), (10, 10, "deadline_exceeded")],
)
def test_an_attempt_ends_at_its_deadline_or_after_the_longest_time(
    to_deadline: float | None, seconds: float, code: str
) -> None:
    limit = time_limit(Settings(run_seconds=50), seconds_to_deadline=to_deadline)
    assert limit.at == pytest.approx(time.monotonic() + seconds, abs=1)
    assert limit.error["code"] == code


def test_a_run_may_use_a_share_of_the_memory_or_what_is_set() -> None:
    memory = machine_memory()
    assert memory is not None
    assert memory_limit(Settings(run_memory_share=0.5)) == memory // 2
    assert memory_limit(Settings(run_memory_share=0.5, run_memory_bytes=ByteSize(2**20))) == 2**20


def _fill(pipe: Connection) -> None:
    filled = bytearray(b"x" * (200 * 2**20))
    pipe.send(len(filled))
    pipe.recv()


def test_the_memory_of_a_process() -> None:
    ours, theirs = multiprocessing.Pipe()
    child = multiprocessing.get_context("spawn").Process(target=_fill, args=(theirs,))
    child.start()
    assert child.pid is not None
    ours.recv()
    assert 200 * 2**20 < used_memory(child.pid) < 450 * 2**20
    ours.send(None)
    child.join()
    assert used_memory(child.pid) == 0


def test_announcements_come_whole_and_in_order() -> None:
    announcements = Announcements()
    assert list(announcements.read()) == []
    begun = [
        Underway(pid, Claim(Evaluation, f"eval_{pid}", 2), TimeLimit(1.5, {"code": "c", "detail": "d"}))
        for pid in (7, 8)
    ]
    for attempt in begun:
        announcements.announce(attempt)
        announcements.announce(None)
    assert list(announcements.read()) == [begun[0], None, begun[1], None]
    assert list(announcements.read()) == []
