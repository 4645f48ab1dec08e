"""From a learner's config to the learner."""

from td3core.config import LearnerConfig
from td3core.learners.base import Learner
from td3core.learners.bert4rec import BERT4Rec
from td3core.learners.gru4rec import GRU4Rec
from td3core.learners.narm import NARM
from td3core.learners.sasrec import SASRec


def build_learner(config: LearnerConfig) -> Learner:
    """Build the learner that `config.kind` names."""
    match config.kind:
        case "sasrec":
            return SASRec(
                embedding_size=config.embedding_size,
                layers=config.layers,
                heads=config.heads,
                inner_size=config.inner_size,
                max_length=config.max_length,
            )
        case "gru4rec":
            return GRU4Rec(
                embedding_size=config.embedding_size,
                layers=config.layers,
                inner_size=config.inner_size,
                max_length=config.max_length,
            )
        case "narm":
            return NARM(
                embedding_size=config.embedding_size,
                layers=config.layers,
                inner_size=config.inner_size,
                max_length=config.max_length,
            )
        case "bert4rec":
            return BERT4Rec(
                embedding_size=config.embedding_size,
                layers=config.layers,
                heads=config.heads,
                inner_size=config.inner_size,
                max_length=config.max_length - 1,  # the step to predict takes one of its positions
            )
