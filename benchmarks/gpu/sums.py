"""Sums over the catalogue alone, by the size of their blocks: what needs nothing installed but torch and jaxtyping."""

import torch

from benchmarks.gpu.clock import described, timed
from benchmarks.gpu.report import Asked, Report
from td3core.catalogue import blocks
from td3core.catalogue.sums import catalogue_sums, expected_embedding

_WIDTH = 32


def measure(report: Report, asked: Asked) -> None:
    """Sums and their derivative at several sizes and blocks."""
    torch.set_num_threads(1)
    device = torch.device(asked.device)
    report.measure("machine", lambda: described(device))
    sizes = (
        [(60, 40)] if asked.small else [(512, 12_101), (32_768, 2_048), (32_768, 12_101), (512, 1_000_000)]
    )
    for rows, n in sizes:
        for scores in (1 << 19, 1 << 22, 1 << 24, 1 << 26):
            report.measure(
                f"{rows} x {n}, blocks of {scores}", lambda at=(rows, n, scores): _sums(*at, device)
            )


def _sums(rows: int, n: int, scores: int, device: torch.device) -> dict[str, object]:
    generator = torch.Generator(device).manual_seed(0)
    queries = torch.randn(rows, _WIDTH, generator=generator, device=device).requires_grad_()
    items = 0.3 * torch.randn(n, _WIDTH, generator=generator, device=device)
    before = blocks.BLOCK_SCORES, blocks.GPU_BLOCK_SCORES
    blocks.BLOCK_SCORES = blocks.GPU_BLOCK_SCORES = scores

    def both_ways() -> None:
        means = expected_embedding(queries, items, items, catalogue_sums(queries, items))
        torch.autograd.grad(means.sum(), queries)

    try:
        return {"operations": 10 * rows * n * _WIDTH, **timed(both_ways, device, repeats=5)}
    finally:
        blocks.BLOCK_SCORES, blocks.GPU_BLOCK_SCORES = before
