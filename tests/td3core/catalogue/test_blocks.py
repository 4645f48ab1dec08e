"""Blocks that are halved where the memory of a GPU is too small."""

import pytest
import torch

from td3core.catalogue import blocks
from td3core.catalogue.blocks import MOST_HALVINGS, block_scores, with_smaller_blocks

GPU, CPU = torch.device("cuda"), torch.device("cpu")


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks._Halved, "times", 0)


def needing(scores: int) -> int:
    """Work that fits only with blocks of at most so many scores."""
    if block_scores(GPU) > scores:
        raise torch.OutOfMemoryError(
            "CUDA out of memory. Tried to allocate 64.00 MiB. GPU 0 has not so much."
        )
    return block_scores(GPU)


def test_work_is_done_again_with_blocks_of_half_the_size(caplog: pytest.LogCaptureFixture) -> None:
    whole, on_cpu = block_scores(GPU), block_scores(CPU)
    assert with_smaller_blocks(lambda: needing(whole)) == whole
    assert with_smaller_blocks(lambda: needing(whole // 4)) == whole // 4
    assert block_scores(CPU) == on_cpu
    assert [record.getMessage() for record in caplog.records] == [
        f"Blocks of {whole // part} scores from here on: CUDA out of memory. Tried to allocate 64.00 MiB"
        for part in (2, 4)
    ]
    assert with_smaller_blocks(lambda: needing(whole)) == whole // 4, "they stay so"


def test_what_never_fits_fails_with_what_it_wanted() -> None:
    with pytest.raises(torch.OutOfMemoryError, match="Tried to allocate"):
        with_smaller_blocks(lambda: needing(0))
    assert blocks._Halved.times == MOST_HALVINGS
