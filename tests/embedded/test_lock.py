import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from embedded.errors import DataDirInUseError, DataDirUnusableError
from embedded.lock import exclusive
from tests.support.small_disk import small_disk

HOLDER = """
import signal, sys
from contextlib import suppress
from pathlib import Path
from embedded.lock import exclusive
with exclusive(Path(sys.argv[1])):
    print("held", flush=True)
    signal.pause()
"""


def test_a_held_data_dir_is_refused_and_a_killed_holder_gives_it_back(tmp_path: Path) -> None:
    data_dir = tmp_path / "var"
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(data_dir)], stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(DataDirInUseError, match=rf"process {holder.pid}"), exclusive(data_dir):
            pass
        holder.send_signal(signal.SIGKILL)
    with exclusive(data_dir):
        assert (data_dir / "service.lock").read_text().split() == [str(os.getpid())]


def test_the_lock_can_be_taken_again_after_its_block(tmp_path: Path) -> None:
    for _ in range(2):
        with exclusive(tmp_path), pytest.raises(DataDirInUseError), exclusive(tmp_path):
            pass


def test_a_full_disk_is_told_in_a_sentence(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", bytes_=2**16) as disk:
        with suppress(OSError), (disk / "other").open("wb", buffering=0) as file:
            while file.write(bytes(2**12)):
                pass
        with pytest.raises(DataDirUnusableError, match="No space left on device"), exclusive(disk):
            pass
