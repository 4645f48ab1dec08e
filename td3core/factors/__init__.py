"""What a summary is made of: the learned tensors behind S, in one of two kinds."""

from td3core.factors.base import Factors, expected_embeddings, history_length, map_tensors, soft_sequences
from td3core.factors.build import (
    KnownFactors,
    factor_shapes,
    factors_near,
    initial_factors,
    named_factors,
)
from td3core.factors.farzi import FarziFactors
from td3core.factors.tucker import TuckerFactors

__all__ = [
    "Factors",
    "FarziFactors",
    "KnownFactors",
    "TuckerFactors",
    "expected_embeddings",
    "factor_shapes",
    "factors_near",
    "history_length",
    "initial_factors",
    "map_tensors",
    "named_factors",
    "soft_sequences",
]
