"""Factors of each kind."""

import pytest
import torch

from td3core.config import SummaryConfig
from td3core.factors import Factors, initial_factors, map_tensors
from tests.support.inner_loops import MU, ZETA


@pytest.fixture(
    params=[
        SummaryConfig(users=MU, length=ZETA, rank_users=3, rank_time=4),
        SummaryConfig(kind="farzi", users=MU, length=ZETA, rank=3, temperature=0.8),
    ],
    ids=lambda config: config.kind,
)
def factors(request: pytest.FixtureRequest, items: torch.Tensor, generator: torch.Generator) -> Factors:
    drawn = initial_factors(request.param, items=items, generator=generator)
    return map_tensors(drawn, torch.Tensor.requires_grad_)
