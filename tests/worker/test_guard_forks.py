"""Children that are forked while the guard clears up after another."""

import subprocess
import sys
from pathlib import Path

FORKS = """
import os, select, shutil, signal, sys, threading, time
from pathlib import Path

from api.models import Job
from api.runs.claims import Claim
from api.settings import Settings
from api.storage import scratch
from worker.announcements import Announcements, Underway
from worker.guard import Guard
from worker.limits import TimeLimit
from worker.main_database import MainDatabase

clearing, remove = threading.Event(), shutil.rmtree


def slowly(path):
    clearing.set()
    time.sleep(0.5)
    remove(path)


shutil.rmtree = slowly
data = Path(sys.argv[1])
settings = Settings(data_dir=data)
announcements, ready = Announcements(), data / "ready"
Guard(settings, MainDatabase(settings), announcements).start()
held_up = 0
for number in range(2):
    child = os.fork()
    if child == 0:
        with scratch.scratch_folder(settings.work_dir, prefix="job"):
            ready.touch()
            time.sleep(60)
    while not ready.exists():
        time.sleep(0.01)
    ready.unlink()
    announcements.announce(Underway(child, Claim(Job, f"job_{number}", 1), TimeLimit(time.monotonic() + 60, {})))
    time.sleep(0.1)
    os.kill(child, signal.SIGKILL)
    ended = os.pidfd_open(child)
    select.select([ended], [], [])
    os.close(ended)
    os.waitpid(child, 0)
    assert clearing.wait(30)
    clearing.clear()
    following = os.fork()  # while the guard holds the lock on the folder, unless it has to wait
    if following == 0:
        signal.alarm(5)
        scratch.clear_abandoned(settings.work_dir)
        os._exit(0)
    held_up += os.waitpid(following, 0)[1] != 0
print(held_up)
os._exit(0)
"""


def test_the_next_child_does_not_wait_for_a_lock_of_its_own(tmp_path: Path) -> None:
    command = [sys.executable, "-W", "ignore", "-c", FORKS, str(tmp_path)]
    ended = subprocess.run(
        command, cwd=Path(__file__).parents[2], capture_output=True, text=True, timeout=120, check=False
    )
    assert ended.stdout.splitlines()[-1:] == ["0"], ended.stdout[-500:] + ended.stderr[-2000:]
