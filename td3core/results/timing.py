"""What training on the summary saves."""

from pydantic import Field

from td3core.results.base import Result
from td3core.results.figures import Spread


class Timing(Result):
    """What training on the summary saves."""

    summary_seconds: Spread = Field(description="Of training on the summary.")
    full_seconds: Spread = Field(description="Of the whole training on the log.")
    log_seconds: Spread = Field(
        description="Of training on the log until its validation NDCG@10 is the mean of the learners trained on the "
        "summary; where it never is, of the whole training. Validations are not counted."
    )
    reached: int = Field(description="Number of seeds of which the training on the log reaches that quality.")
    speedup: float | None = Field(description="log_seconds / summary_seconds, of the means.")
    distil_seconds: float | None = Field(
        description="Of the distillation, its teacher included; null: unknown."
    )
    break_even: float | None = Field(
        description="After how many trainings the distillation has paid for itself: distil_seconds / (log_seconds - "
        "summary_seconds); null: never, or unknown."
    )
