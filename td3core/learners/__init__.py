"""Sequential recommenders as pure functions of a flat parameter vector."""

from td3core.learners.base import Dropout, Learner, ParameterLayout, steps_at
from td3core.learners.bert4rec import BERT4Rec
from td3core.learners.build import build_learner
from td3core.learners.gru4rec import GRU4Rec
from td3core.learners.narm import NARM
from td3core.learners.objective import MaskedItem, NextItem, Objective, Supervision
from td3core.learners.sasrec import SASRec

__all__ = [
    "NARM",
    "BERT4Rec",
    "Dropout",
    "GRU4Rec",
    "Learner",
    "MaskedItem",
    "NextItem",
    "Objective",
    "ParameterLayout",
    "SASRec",
    "Supervision",
    "build_learner",
    "steps_at",
]
