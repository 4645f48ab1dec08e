import torch

from td3core.config import InnerConfig, LearnerConfig
from td3core.learners import build_learner
from td3core.training.embeddings import EmbeddedTraining


def test_a_training_in_pieces_is_the_same_training() -> None:
    """So that evaluated learners are what `Summary.train` gives, and all users take turns."""
    items = torch.randn(20, 4, generator=torch.Generator().manual_seed(0))
    learner = build_learner(LearnerConfig(embedding_size=4, inner_size=4, max_length=6))

    def training() -> EmbeddedTraining:
        return EmbeddedTraining(
            items[torch.arange(42).view(7, 6) % 20],
            items=items,
            learner=learner,
            inner=InnerConfig(batch_users=3),
            steps=10,
            seed=1,
        )

    whole, pieces = training(), training()
    whole.run(10)
    for steps in (3, 2, 1, 4):
        pieces.run(steps)
    assert torch.equal(whole.parameters, pieces.parameters)
