"""What an evaluation found, as it looks on a terminal."""

from collections.abc import Mapping
from typing import Literal

from rich.console import RenderableType
from rich.table import Table

from td3client.display import duration, kilobytes, size_beside_log
from td3client.resources import (
    Comparison,
    Evaluation,
    RankAgreement,
    Recovery,
    Size,
    Spread,
    Timing,
    Trend,
    Worth,
)
from td3client.text import plain_value

Share = Literal["recovery", "low", "high", "lift_recovery", "teacher_recovery"]


def certificate(evaluation: Evaluation, *, cutoff: int = 10) -> list[RenderableType]:
    """Everything at one cut-off: a table a learner, then the learners side by side, the trend, time and size."""
    evaluation = plain_value(evaluation)
    parts: list[RenderableType] = []
    results = evaluation["results"] or {}
    over = evaluation.get("intervals") or "seeds"  # older evaluations do not say
    for learner, sources in results.items():
        recovery = (evaluation["recovery"] or {}).get(learner, {})
        rivals = (evaluation.get("comparison") or {}).get(learner, {})
        own = (evaluation.get("own_recovery") or {}).get(learner, {})
        parts.append(_learner_table(learner, sources, recovery, own, cutoff, over))
        if rivals:
            parts.append(_rivals(learner, rivals, f"ndcg@{cutoff}"))
        worth = (evaluation.get("worth") or {}).get(learner, {})
        parts += [_worth(learner, source, found) for source, found in worth.items()]
        if lost := (evaluation.get("diverged") or {}).get(learner):
            parts.append(f"{learner}: training diverged on {', '.join(lost)}")
    parts += [f"Warning: {warning['detail']}" for warning in evaluation.get("warnings") or ()]
    if missing := evaluation.get("unavailable"):
        parts.append(f"The archive has no teacher, so that there is no {', '.join(missing)}")
    if len(results) > 1:
        parts.append(_matrix(evaluation, cutoff))
    if trend := evaluation.get("trend"):
        parts += _trend(trend, f"ndcg@{cutoff}")
    parts += [_timing(learner, timing) for learner, timing in (evaluation.get("timing") or {}).items()]
    if size := evaluation.get("size"):
        parts.append(_size(size))
    return parts


def _learner_table(
    learner: str,
    sources: Mapping[str, Mapping[str, Spread]],
    recovery: Mapping[str, Recovery],
    own_recovery: Mapping[str, Recovery],
    cutoff: int,
    over: str,
) -> Table:
    """What it was trained on against how well it then ranks, and what of that is kept."""
    named = dict.fromkeys(metric for figures in sources.values() for metric in figures)
    metrics = [metric for metric in named if metric.endswith(f"@{cutoff}")]
    table = Table(
        "trained on",
        *(metric.upper() for metric in metrics),
        title=f"{learner}, mean ± half the 95% interval over {over}",
    )
    for source in sources:
        table.add_row(source, *(_spread(sources[source].get(metric)) for metric in metrics))
    table.add_section()
    rows: tuple[tuple[Mapping[str, Recovery], Share, str], ...] = (
        (recovery, "recovery", "recovery"),
        (recovery, "lift_recovery", "lift recovery"),
        (recovery, "teacher_recovery", "recovery of teacher"),
        (own_recovery, "recovery", "own recovery"),
        (own_recovery, "teacher_recovery", "own rec. of teacher"),
    )
    for found, key, label in rows:
        shares = [_share(found.get(metric), key) for metric in metrics]
        if any(shares):
            table.add_row(label, *shares, style="bold")
    return table


def _rivals(learner: str, rivals: Mapping[str, Mapping[str, Comparison]], metric: str) -> Table:
    """By how much the summary leads each source of its size, and how sure that is."""
    table = Table(
        "rival",
        f"{metric.upper()} lead",
        "95% interval",
        "",
        title=f"{learner}, summary against rivals trained alike",
    )
    words = {True: "apart", False: "not apart", None: ""}
    for rival in rivals:
        if found := rivals[rival].get(metric):
            low, high = found.get("low"), found.get("high")
            ends = "" if low is None or high is None else f"{low:+.4f} to {high:+.4f}"
            table.add_row(rival, f"{found['difference']:+.4f}", ends, words[found["disjoint"]])
    return table


def _worth(learner: str, source: str, worth: Worth) -> str:
    """How many labelled real users the summary is worth, and where it stands beside what labels it."""
    metric, lead = worth["metric"].upper(), worth["lead_over_teacher"]
    stands = "level with" if not lead["disjoint"] else "ahead of" if lead["difference"] > 0 else "behind"
    return (
        f"{learner}, {source}: worth {_real_users(worth)}; its {metric} of {worth['summary']['mean']:.4f} is {stands} "
        f"the {worth['teacher']['mean']:.4f} of the teacher"
    )


def _real_users(worth: Worth) -> str:
    if not worth["curve"]:
        return "an unknown number of real users, since every training on them diverged"
    rows, least, most = worth["rows"], worth["curve"][0]["users"], worth["curve"][-1]["users"]
    users, who = worth["users"], "real users with the teacher's labels"
    if users is None:
        tried = f"all {most}" if most == worth["log_users"] else f"{most} of the {worth['log_users']}"
        found = f"more than {tried} {who}, {most / rows:.1f} times its {rows} rows"
    elif users <= least:
        found = f"at most {least} {who}, for {rows} rows"
    else:
        found = f"{users:.0f} {who}, {users / rows:.1f} times its {rows} rows"
    low, high = (
        f"more than {most}" if end is None else f"{end:.0f}" for end in (worth["low"], worth["high"])
    )
    return f"{found} (95% interval {low} to {high})"


def _matrix(evaluation: Evaluation, cutoff: int) -> Table:
    """Each learner against its own training on the full log."""
    metric = f"ndcg@{cutoff}"
    table = Table(
        "learner", "full", "summary", "recovery", "95%", "lift", title=f"{metric.upper()} by learner"
    )
    for learner, sources in (evaluation["results"] or {}).items():
        found = (evaluation["recovery"] or {}).get(learner, {}).get(metric)
        low, high = _share(found, "low"), _share(found, "high")
        table.add_row(
            learner,
            *(_spread(sources.get(source, {}).get(metric)) for source in ("full", "summary")),
            _share(found, "recovery"),
            f"{low}-{high}" if low and high else "",
            _share(found, "lift_recovery"),
        )
    return table


def _trend(trend: Trend, metric: str) -> list[RenderableType]:
    table = Table(
        "learner", "embedding", "layers", "inner size", "full", "summary",
        title=f"{metric.upper()}, best on the log first",
    )  # fmt: skip
    rows = [row for row in trend["configurations"] if metric in row["full"]]
    for row in sorted(rows, key=lambda row: -row["full"][metric]["mean"]):
        table.add_row(
            row["learner"],
            str(row["embedding_size"]),
            str(row["layers"]),
            str(row["inner_size"]),
            *(_spread(row[source][metric]) for source in ("full", "summary")),
        )
    return [table, *(_agreement(found) for found in [trend["agreement"].get(metric)] if found)]


def _agreement(found: RankAgreement) -> str:
    if found["tau"] is None:
        return "Kendall's tau of the two orders: undefined, all tie"
    parts = [f"Kendall's tau of the two orders: {found['tau']:.3f}"]
    if found["p_value"] is not None:
        parts.append(f"p {found['p_value']:.4f}")
    if found["over_seeds"] is not None and len(found["over_seeds"]["values"]) > 1:
        parts.append(f"seed by seed {_spread(found['over_seeds'])}")
    return ", ".join(parts)


def _timing(learner: str, timing: Timing) -> str:
    parts = [
        f"{learner}: {_seconds(timing['summary_seconds'])} of training on the summary",
        f"{_seconds(timing['log_seconds'])} on the log to that quality"
        + ("" if timing["reached"] else ", which it does not reach"),
        f"{_seconds(timing['full_seconds'])} in full",
    ]
    if timing["speedup"] is not None:
        parts.append(f"{timing['speedup']:.1f} times faster")
    if timing["distil_seconds"] is not None:
        pays = timing["break_even"]
        after = "never pays" if pays is None else f"pays after {pays:.1f} trainings"
        parts.append(f"the distillation of {duration(timing['distil_seconds'])} {after}")
    return "; ".join(parts)


def _size(size: Size) -> str:
    teacher = size.get("teacher_parameters")
    line = (
        f"{kilobytes(size['summary_bytes'])} and {size['summary_parameters']} parameters, with "
        f"{size['item_parameters']} of the item factor"
        + (f" and {teacher} of the teacher" if teacher else "")
        + f", for {kilobytes(size['log_bytes'])} and {size['log_interactions']} interactions of log"
    )
    compressed = size.get("log_parquet_bytes")
    return line if compressed is None else f"{line}; {size_beside_log(size['summary_bytes'], compressed)}"


def _half_width(spread: Spread) -> float | None:
    low, high = spread.get("low"), spread.get("high")  # older evaluations have none
    return None if low is None or high is None else (high - low) / 2


def _spread(spread: Spread | None) -> str:
    if spread is None:
        return ""
    half = _half_width(spread)
    return f"{spread['mean']:.4f}" + ("" if half is None else f" ± {half:.4f}")


def _seconds(spread: Spread) -> str:
    half = _half_width(spread)
    return f"{spread['mean']:.1f}" + (" s" if half is None else f" ± {half:.1f} s")


def _share(recovery: Recovery | None, key: Share) -> str:
    share = None if recovery is None else recovery.get(key)
    return "" if share is None else f"{share:.3f}"
