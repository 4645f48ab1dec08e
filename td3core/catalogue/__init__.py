"""Sums and distributions over all items, or over sampled ones, in blocks."""

from td3core.catalogue.blocks import row_blocks, with_smaller_blocks
from td3core.catalogue.candidates import Catalogue, CatalogueSampler, inclusion_probabilities, room_for
from td3core.catalogue.sequences import draw_sequences
from td3core.catalogue.soft_targets import (
    draw_items,
    ensemble_cross_entropy,
    soft_cross_entropy,
    soft_embedding,
)
from td3core.catalogue.sums import Sums, expected_embedding, mean_cross_entropy

__all__ = [
    "Catalogue",
    "CatalogueSampler",
    "Sums",
    "draw_items",
    "draw_sequences",
    "ensemble_cross_entropy",
    "expected_embedding",
    "inclusion_probabilities",
    "mean_cross_entropy",
    "room_for",
    "row_blocks",
    "soft_cross_entropy",
    "soft_embedding",
    "with_smaller_blocks",
]
