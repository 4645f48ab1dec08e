"""The outer loop: the factors of a summary follow the hypergradient."""

from td3core.outer.distillation import Distillation, DistillationState, ScoredFactors

__all__ = ["Distillation", "DistillationState", "ScoredFactors"]
