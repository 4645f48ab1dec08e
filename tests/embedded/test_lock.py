import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from embedded.errors import DataDirInUseError
from embedded.lock import exclusive

HOLDER = """
import signal, sys
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
