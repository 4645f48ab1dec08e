import subprocess
import sys
from pathlib import Path

import pytest
import torch

from worker.device import naming_memory_errors, prepare_device


def test_the_device_and_threads_are_as_told() -> None:
    before = torch.get_num_threads()
    try:
        assert prepare_device("cpu", threads=1) == torch.device("cpu")
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)


def test_auto_takes_what_is_there() -> None:
    expected = "cuda" if torch.cuda.is_available() else "cpu"
    assert prepare_device("auto", threads=torch.get_num_threads()).type == expected


def test_running_out_of_memory_has_a_name() -> None:
    with pytest.raises(MemoryError), naming_memory_errors():
        torch.empty(2**60, dtype=torch.uint8)


def test_other_errors_stay_what_they_are() -> None:
    with pytest.raises(RuntimeError, match="shapes"), naming_memory_errors():
        torch.mm(torch.ones(2, 3), torch.ones(2, 3))


@pytest.mark.parametrize("module", ["worker", "worker.keeper"])
def test_the_commands_say_what_they_lack(module: str, tmp_path: Path) -> None:
    environment = {"PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(
        [sys.executable, "-m", module],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 1
    assert "TD3_BROKER_URL is not set" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_workers_parent_loads_no_torch() -> None:
    script = "import sys, os; os.environ['TD3_BROKER_URL'] = 'redis://x'; import worker.app; "
    script += "sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
