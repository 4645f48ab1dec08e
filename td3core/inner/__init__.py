"""The inner loop: learners that train on a summary, and the way back through their steps."""

from td3core.inner.optimizers import OptimizerState
from td3core.inner.unroll import Batch, Cohort, build_inner_loop, draw_batches

__all__ = ["Batch", "Cohort", "OptimizerState", "build_inner_loop", "draw_batches"]
