"""Ranking metrics for one relevant item a user.

With a single target of rank r (from 1), the general definitions collapse to the formulas below; `[.]` is 1
where the condition holds and 0 elsewhere.
"""

from collections.abc import Sequence

from jaxtyping import Bool, Float, Int
from torch import Tensor

from td3core.errors import DivergedError

Figures = dict[str, float]
"""Metric, such as `ndcg@10`, to value."""
SELECTION_CUTOFF = 10
SELECTION_METRIC = f"ndcg@{SELECTION_CUTOFF}"
"""By which, on the validation items, the best epoch of a training and the best summary are selected."""


def target_ranks(
    scores: Float[Tensor, "users items"],
    targets: Int[Tensor, " users"],
    *,
    excluded: Bool[Tensor, "users items"] | None = None,
) -> Int[Tensor, " users"]:
    """Rank each user's target, from 1, among the items that are not excluded.

    Items that tie with the target count as ranked before it, so that a learner that gives all items one score
    is worth nothing. The target itself always takes part, excluded or not.

    Raises:
        DivergedError: if a score is NaN.
    """
    if scores.isnan().any():
        raise DivergedError("the learner's scores are not numbers (NaN)")
    column = targets.unsqueeze(1)  # (users, 1)
    before = scores >= scores.gather(1, column)  # (users, items)
    if excluded is not None:
        before &= ~excluded
    return before.scatter(1, column, True).sum(dim=1)


def hit_rate(ranks: Int[Tensor, " users"], k: int) -> Float[Tensor, " users"]:
    """`HR@k = [r <= k]`.

    With one relevant item this is recall at k: Deshpande and Karypis, "Item-based top-N recommendation
    algorithms", TOIS 22(1), 2004.
    """
    return _within(ranks, k).double()


def ndcg(ranks: Int[Tensor, " users"], k: int) -> Float[Tensor, " users"]:
    """`NDCG@k = [r <= k] / log2(1 + r)`; the ideal ranking has r = 1, hence the normaliser is 1.

    Järvelin and Kekäläinen, "Cumulated gain-based evaluation of IR techniques", TOIS 20(4), 2002, with the
    discount `1 / log2(1 + r)` of Burges et al., ICML 2005.
    """
    return _within(ranks, k) / (1 + ranks.double()).log2()


def mrr(ranks: Int[Tensor, " users"], k: int) -> Float[Tensor, " users"]:
    """`MRR@k = [r <= k] / r`.

    Voorhees, "The TREC-8 question answering track report", TREC-8, 1999.
    """
    return _within(ranks, k) / ranks.double()


def metrics_by_user(
    ranks: Int[Tensor, " users"], cutoffs: Sequence[int]
) -> dict[str, Float[Tensor, " users"]]:
    """Every metric at every cut-off, under keys such as `hr@10`, `ndcg@10`, `mrr@10`."""
    metrics = {"hr": hit_rate, "ndcg": ndcg, "mrr": mrr}
    return {f"{name}@{k}": metric(ranks, k) for name, metric in metrics.items() for k in cutoffs}


def ranking_metrics(ranks: Int[Tensor, " users"], cutoffs: Sequence[int]) -> Figures:
    """Mean over users of every metric at every cut-off.

    Raises:
        ValueError: if there are no users.
    """
    if not len(ranks):
        raise ValueError("no ranks to average over")
    return {name: float(values.mean()) for name, values in metrics_by_user(ranks, cutoffs).items()}


def _within(ranks: Int[Tensor, " users"], k: int) -> Bool[Tensor, " users"]:
    if k < 1:
        raise ValueError(f"the cut-off k must be at least 1, not {k}")
    return ranks <= k
