"""The inner loop: learners that train on a summary, and the way back through their steps."""

from td3core.inner.batches import Batch, BatchSampler, build_batch_sampler
from td3core.inner.lessons import Labeller, Lesson, LessonMaker, build_lesson_maker
from td3core.inner.optimizers import OptimizerState
from td3core.inner.unroll import Cohort, InnerLoop, build_inner_loop

__all__ = [
    "Batch",
    "BatchSampler",
    "Cohort",
    "InnerLoop",
    "Labeller",
    "Lesson",
    "LessonMaker",
    "OptimizerState",
    "build_batch_sampler",
    "build_inner_loop",
    "build_lesson_maker",
]
