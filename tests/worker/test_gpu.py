"""What is read of a worker's GPU, and which one is its."""

import re
import subprocess
import sys

import pytest
import torch

from worker.gpu import GpuReader, Installed, visible_devices

A, B = Installed("H100", "GPU-a1b2"), Installed("H100", "GPU-a1c3")
SMALL = Installed("T400", "GPU-d4")
SPLIT = Installed("H100", "GPU-e5", ("MIG-1f", "MIG-2f"))
SPLIT_INTO_NONE = Installed("H100", "GPU-f6", ())
NEEDS_A_GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no GPU")


@pytest.mark.parametrize(
    ("installed", "visible", "devices"),
    [
        ([], None, []),
        ([A, B], None, ["GPU-a1b2", "GPU-a1c3"]),
        ([A, B], "1", ["GPU-a1c3"]),
        ([A, B], "1, 0", ["GPU-a1c3", "GPU-a1b2"]),
        ([A, B], "GPU-a1c3,0", ["GPU-a1c3", "GPU-a1b2"]),
        ([A, B], "GPU-a1c", ["GPU-a1c3"]),
        ([A, B], "GPU-a1", []),
        ([A, B], "1,-1,0", ["GPU-a1c3"]),
        ([A, B], "1,2,0", ["GPU-a1c3"]),
        ([A, B], "0,0", []),
        ([A, B], "", []),
        ([A, B], "none", []),
        ([A, SPLIT], None, ["MIG-1f"]),
        ([A, SPLIT], "0,1", ["MIG-1f"]),
        ([A, SPLIT], "0", ["GPU-a1b2"]),
        ([A, SPLIT], "MIG-2f", ["MIG-2f"]),
        ([A, SPLIT], "MIG-2f,MIG-1f", ["MIG-2f"]),
        ([A, SPLIT], "GPU-e5", ["MIG-1f"]),
        ([A, SPLIT], "MIG-", []),
        ([SPLIT_INTO_NONE, A], None, ["GPU-a1b2"]),
        ([SPLIT_INTO_NONE, A], "0,1", []),
    ],
)
def test_devices_have_the_numbers_that_cuda_gives_them(
    installed: list[Installed], visible: str | None, devices: list[str]
) -> None:
    assert visible_devices(installed, visible) == devices


@pytest.mark.parametrize(
    ("visible", "order", "devices"),
    [
        (None, None, []),
        ("1", "FASTEST_FIRST", []),
        ("GPU-a1b2", None, ["GPU-a1b2"]),
        (None, "PCI_BUS_ID", ["GPU-d4", "GPU-a1b2"]),
        ("1", "PCI_BUS_ID", ["GPU-a1b2"]),
    ],
)
def test_numbers_of_gpus_of_several_kinds_go_by_the_bus_or_are_not_known(
    visible: str | None, order: str | None, devices: list[str]
) -> None:
    assert visible_devices([SMALL, A], visible, order=order) == devices


@pytest.mark.gpu
@NEEDS_A_GPU
def test_the_gpu_is_the_one_that_torch_computes_on() -> None:
    reader = GpuReader("cuda")
    before = reader.read()
    held = torch.zeros(512 << 20, dtype=torch.uint8, device="cuda")
    after = reader.read()
    assert before
    assert after
    assert after.memory_used_bytes >= before.memory_used_bytes + held.nbytes
    known = torch.cuda.get_device_properties(0)
    assert after.name == known.name
    assert after.memory_total_bytes == pytest.approx(known.total_memory, rel=0.05)
    assert re.fullmatch(r"\d+\.\d+(\.\d+)?", after.driver)


ASKS_AND_FORKS = """
import os, sys
from worker.gpu import GpuReader
assert GpuReader("cuda").read()
assert "torch" not in sys.modules
child = os.fork()
if not child:
    import torch
    assert torch.ones(10, device="cuda").sum() == 10
    try:
        torch.empty(1 << 50, dtype=torch.uint8, device="cuda")
    except torch.OutOfMemoryError:
        os._exit(0)
    os._exit(1)
sys.exit(os.waitpid(child, 0)[1])
"""


@pytest.mark.gpu
@NEEDS_A_GPU
def test_a_process_that_asks_the_driver_can_fork_children_that_use_cuda() -> None:
    assert subprocess.run([sys.executable, "-c", ASKS_AND_FORKS], check=False, timeout=120).returncode == 0
