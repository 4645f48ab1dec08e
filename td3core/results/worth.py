"""What a summary is worth in real users."""

from pydantic import Field

from td3core.results.base import Result
from td3core.results.figures import Comparison, Spread


class WorthPoint(Result):
    """Learners trained on so many real users with the teacher's labels."""

    users: int = Field(description="How many real users; each learner has others, drawn uniformly.")
    source: str = Field(
        description="As which source they were trained on: the stronger of `random_labelled` and "
        "`random_labelled_long`, or `random_labelled_own_embedding`; for more steps where it takes more to read each "
        "user once."
    )
    figure: Spread = Field(description="What the learners reach.")


class Worth(Result):
    """How many real users with the teacher's labels are as good to train on as the summary."""

    metric: str = Field(description="The metric that is compared, such as `ndcg@10`.")
    summary: Spread = Field(description="What learners trained on the summary reach.")
    teacher: Spread = Field(
        description="What the teacher reaches, which labels both the summary and the real users; its interval is over "
        "users alone."
    )
    lead_over_teacher: Comparison = Field(
        description="The summary against the teacher: where the two are not `disjoint`, the summary is level with what "
        "labels it, and no number of labelled users would be worth more."
    )
    rows: int = Field(description="Synthetic users in the summary.")
    log_users: int = Field(description="Real users in the log after the filters.")
    users: float | None = Field(
        description="How many labelled real users the summary is worth, between two points of `curve` on a logarithmic "
        "scale; if the first point is already as good, its number of users, and the summary is worth at most that. "
        "Null: more than the last point has."
    )
    low: float | None = Field(
        description="Lower end of the 95% interval of `users`, which are read anew from the same points for each "
        "resample of seeds and users; null as there."
    )
    high: float | None = Field(description="Upper end of that interval; null as there.")
    times_rows: float | None = Field(description="users / rows; null where `users` is.")
    curve: tuple[WorthPoint, ...] = Field(
        description="What was tried: as many users as the summary has rows, then twice as many each time, up to all "
        "users of the log or 65,536, until they are as good. Numbers on which every training diverged are left out."
    )
