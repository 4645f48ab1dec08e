import subprocess
import sys
from pathlib import Path

import pytest

from api.scratch import clear_abandoned, scratch_folder


def test_the_folder_lives_as_long_as_the_block(tmp_path: Path) -> None:
    with scratch_folder(tmp_path / "base", prefix="run") as folder:
        (folder / "file").write_text("x")
        assert folder.name.startswith("run-")
        assert clear_abandoned(tmp_path / "base") == []
        assert (folder / "file").exists()
    assert not folder.exists()


def test_an_error_removes_it_too(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), scratch_folder(tmp_path, prefix="run"):
        _ = 1 / 0
    assert list(tmp_path.iterdir()) == []


def test_the_folder_of_a_killed_process_is_cleared(tmp_path: Path) -> None:
    script = (
        "import os, pathlib, api.scratch as s\n"
        f"with s.scratch_folder(pathlib.Path({str(tmp_path)!r}), prefix='run') as folder:\n"
        "    (folder / 'file').write_text('x')\n"
        "    os.kill(os.getpid(), 9)\n"
    )
    subprocess.run([sys.executable, "-c", script], check=False)
    (left,) = tmp_path.iterdir()
    assert clear_abandoned(tmp_path) == [left.name]
    assert list(tmp_path.iterdir()) == []
