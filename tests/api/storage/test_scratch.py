import subprocess
import sys
import threading
from collections.abc import Generator
from pathlib import Path, PosixPath

import pytest

from api.storage.scratch import clear_abandoned, scratch_folder

ROUNDS = 100


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
        "import os, pathlib, api.storage.scratch as s\n"
        f"with s.scratch_folder(pathlib.Path({str(tmp_path)!r}), prefix='run') as folder:\n"
        "    (folder / 'file').write_text('x')\n"
        "    os.kill(os.getpid(), 9)\n"
    )
    subprocess.run([sys.executable, "-c", script], check=False)
    (left,) = tmp_path.iterdir()
    assert clear_abandoned(tmp_path) == [left.name]
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_just_being_removed_disturbs_nobody_who_clears(tmp_path: Path) -> None:
    """Its owner leaves in the very moment between the listing and the look at its lock."""
    made, leave = threading.Event(), threading.Event()

    def own() -> None:
        with scratch_folder(tmp_path, prefix="run"):
            made.set()
            leave.wait()

    owner = threading.Thread(target=own)

    class Base(PosixPath):
        def iterdir(self) -> Generator[Path, None, None]:
            yield from super().iterdir()
            leave.set()
            owner.join(0.2)

    owner.start()
    made.wait()
    try:
        assert clear_abandoned(Base(tmp_path)) == []
    finally:
        owner.join()
    assert list(tmp_path.iterdir()) == []


def test_folders_come_and_go_while_others_clear(tmp_path: Path) -> None:
    def come_and_go() -> None:
        for _ in range(ROUNDS):
            with scratch_folder(tmp_path, prefix="run") as folder:
                (folder / "file").touch()

    owners = [threading.Thread(target=come_and_go) for _ in range(4)]
    for owner in owners:
        owner.start()
    try:
        while any(owner.is_alive() for owner in owners):
            assert clear_abandoned(tmp_path) == []
    finally:
        for owner in owners:
            owner.join()
    assert list(tmp_path.iterdir()) == []
