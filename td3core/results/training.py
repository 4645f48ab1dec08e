"""What is to be said of a training on the log that did not go well."""

from typing import Literal

from pydantic import Field

from td3core.results.base import Result


class TrainingWarning(Result):
    """A training on the log that did not go well: a figure that is set against it may flatter."""

    reason: Literal["popularity", "fell", "restarted"] = Field(
        description="`popularity`: it ended no better than popularity (less than 1.05 times its score), so that it "
        "learned nothing from histories; `fell`: its last epochs were far below its best one (less than 0.6 times "
        "its score), which was kept; `restarted`: it learned, but only after it was started again."
    )
    training: str = Field(description="Which training: `teacher`, a member of it, or one of an evaluation.")
    score: float = Field(description="Validation NDCG@10 of its best epoch, which was kept.")
    last_score: float = Field(description="Validation NDCG@10 of its last epoch.")
    popularity: float = Field(description="Validation NDCG@10 of ranking items by popularity.")
    restarts: int = Field(
        default=0, description="How often it was started again, because it was no better than popularity."
    )
    detail: str = Field(description="What happened and what can be done, in words.")
