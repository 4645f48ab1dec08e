"""Sequential recommenders as pure functions of a flat parameter vector."""

from td3core.learners.base import Dropout, Learner, ParameterLayout
from td3core.learners.build import build_learner
from td3core.learners.sasrec import SASRec

__all__ = ["Dropout", "Learner", "ParameterLayout", "SASRec", "build_learner"]
