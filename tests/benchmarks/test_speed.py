import json
from pathlib import Path

import pytest
import torch

from benchmarks import speed
from benchmarks.floor import operations
from benchmarks.memory import peak_memory
from td3core.catalogue.sums import expected_embedding
from tests.support.commands import run


@pytest.mark.parametrize("loss", ["paper", "all"])
def test_both_formulations_are_measured_and_agree(loss: str, tmp_path: Path) -> None:
    out = tmp_path / "speed.json"
    sizes = ["--items", "60", "--users", "6", "--length", "8", "--window", "3", "--embedding-size", "8"]
    run(
        speed.main,
        *sizes,
        "--rank",
        "3",
        "--repeats",
        "2",
        "--loss",
        loss,
        "--no-compile",
        "--json",
        str(out),
    )
    report = json.loads(out.read_text())
    assert report["agreement"] == pytest.approx(1.0, abs=1e-3)
    for formulation in ("ours", "direct"):
        assert len(report[formulation]["seconds"]) == 2
        assert min(report[formulation]["seconds"]) > 0
    assert report["floor"]["operations"] > 1000
    assert report["floor"]["ours_to_floor"] > 1
    assert report["speedup"]["ours"] == report["direct"]["median_seconds"] / report["ours"]["median_seconds"]


def test_operations_of_a_product_and_its_derivatives_are_counted() -> None:
    left, right = torch.ones(3, 5, requires_grad=True), torch.ones(5, 7, requires_grad=True)
    assert operations(lambda: left @ right) == 2 * 3 * 5 * 7
    assert operations(lambda: (left @ right).sum().backward()) == 3 * 2 * 3 * 5 * 7


def test_operations_of_sums_over_the_catalogue_and_their_derivatives_are_counted() -> None:
    queries, items = torch.ones(3, 5, requires_grad=True), torch.ones(7, 5)
    product = 2 * 3 * 7 * 5
    assert operations(lambda: expected_embedding(queries, items, items)) == 2 * product
    assert operations(lambda: expected_embedding(queries, items, items).sum().backward()) == 5 * product
    keys = items.clone().requires_grad_()
    assert operations(lambda: expected_embedding(queries, keys, items).sum().backward()) == 6 * product


def test_peak_memory_sees_what_is_held_and_freed() -> None:
    with peak_memory() as peak:
        for _ in range(20):
            held = torch.ones(25_000_000)  # 100 MB
            del held
    assert 80e6 < peak.bytes < 400e6
