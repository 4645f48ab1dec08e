"""The outer loop: the factors of a summary follow the hypergradient."""

from td3core.outer.distillation import Candidate, Distillation

__all__ = ["Candidate", "Distillation"]
