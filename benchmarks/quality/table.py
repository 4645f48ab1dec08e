"""One table over all logs: what the summary of each is worth, beside its strongest rivals, and what it takes."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from rich.table import Table

from benchmarks.quality.measurement import VALIDATED
from benchmarks.quality.request import Document
from td3client.display import duration
from td3core.config import SOURCE_BY_NAME

WIDTH = 160
"""Characters of a line elsewhere than on a terminal."""

OWN_EMBEDDING = "_own_embedding"


class Rival(NamedTuple):
    """The strongest rival of a summary, and how the summary stands against all of its rivals."""

    name: str
    mean: float
    lead: float
    """Of the summary."""
    apart: bool | None
    ahead: int
    """Number of rivals that the summary is ahead of, with zero outside the interval of the difference."""
    behind: int
    rivals: int


def overview(reports: Mapping[str, Document]) -> Table:
    """Return the table, a row a log."""
    table = Table(
        "log\nusers x items, interactions",
        "full\nteacher",
        "summary\nfloor",
        "recovery\n95%",
        "lift\nrecovery",
        "strongest rival\nNDCG@10, lead of the summary",
        "own embedding\nfull",
        "strongest rival\nNDCG@10, lead of the summary",
        "bytes\n/ Parquet",
        "to the\nsummary",
        title="NDCG@10 on each log; apart: zero lies outside the 95% interval over seeds and users",
        show_lines=True,
    )
    for log, report in reports.items():
        table.add_row(*_cells(log, report))
    return table


def timings(reports: Mapping[str, Document]) -> Table | None:
    """Return a table of the jobs that were timed beside those of the logs; None if there are none."""
    rows = list(_timings(reports))
    if len(rows) == len(reports):
        return None
    table = Table(
        "log", "job", "log to summary", "teacher", "distilling", "validated", "load before",
        title="Seconds, each log's in one run",
    )  # fmt: skip
    for row in rows:
        table.add_row(*row)
    return table


def learner_of(report: Mapping[str, Any]) -> str:
    """Return the kind of learner that the table is about: the job's, or the first that was evaluated."""
    kind = report["spec"]["learner"]["kind"]
    return kind if kind in report["results"] else next(iter(report["results"]))


def strongest_rival(report: Mapping[str, Any], *, own_embedding: bool) -> Rival | None:
    """Return the rival with the highest mean; None if there was none."""
    learner = learner_of(report)
    found = {
        name: compared[VALIDATED]
        for name, compared in report["comparison"][learner].items()
        if SOURCE_BY_NAME[name].own_embedding == own_embedding and VALIDATED in compared
    }
    if not found:
        return None
    figures = report["results"][learner]
    name = max(found, key=lambda name: figures[name][VALIDATED]["mean"])
    leads = [row["difference"] for row in found.values() if row["disjoint"]]
    return Rival(
        name=name,
        mean=figures[name][VALIDATED]["mean"],
        lead=found[name]["difference"],
        apart=found[name]["disjoint"],
        ahead=sum(lead > 0 for lead in leads),
        behind=sum(lead < 0 for lead in leads),
        rivals=len(found),
    )


def _cells(log: str, report: Document) -> Iterator[str]:
    profile, size, learner = report["profile"], report["size"], learner_of(report)
    recovery = report["recovery"][learner].get(VALIDATED) or {}
    own = report["own_recovery"][learner].get(VALIDATED) or {}
    yield f"{log}\n{profile['users']:,} x {profile['items']:,}, {profile['interactions']:,}"
    yield f"{_mean(report, 'full')}\n{_mean(report, 'teacher')}"
    yield f"{_mean(report, 'summary')}\n{_mean(report, 'floor')}"
    yield _share(recovery)
    yield "" if recovery.get("lift_recovery") is None else f"{recovery['lift_recovery']:.3f}"
    yield _rival(strongest_rival(report, own_embedding=False))
    yield f"{_mean(report, 'summary' + OWN_EMBEDDING)} {_short(own)}\n{_mean(report, 'full' + OWN_EMBEDDING)}"
    yield _rival(strongest_rival(report, own_embedding=True))
    yield f"{size['summary_bytes'] / size['log_parquet_bytes']:.3f}"
    yield duration(report["job_seconds"])


def _timings(reports: Mapping[str, Document]) -> Iterator[tuple[str, ...]]:
    for log, report in reports.items():
        for name, timed in {"as asked for": report, **report["beside"]}.items():
            seconds = timed["job"]["seconds"]
            yield (
                log,
                name,
                f"{timed['job_seconds']:.0f}",
                f"{seconds['teacher']:.0f}",
                f"{seconds['distilling']:.0f}",
                f"{timed['job']['summary'][f'valid_{VALIDATED}']:.4f}",
                f"{timed['load_before']:.1f}",
            )


def _mean(report: Mapping[str, Any], source: str) -> str:
    figures = report["results"][learner_of(report)].get(source)
    return "" if figures is None else f"{figures[VALIDATED]['mean']:.4f}"


def _share(recovery: Mapping[str, Any]) -> str:
    share, low, high = (recovery.get(key) for key in ("recovery", "low", "high"))
    if share is None:
        return ""
    return f"{share:.3f}" + ("" if low is None or high is None else f"\n{low:.3f} to {high:.3f}")


def _short(recovery: Mapping[str, Any]) -> str:
    share = recovery.get("recovery")
    return "" if share is None else f"({share:.3f})"


def _rival(rival: Rival | None) -> str:
    if rival is None:
        return ""
    apart = {True: ", apart", False: ", not apart", None: ""}[rival.apart]
    return (
        f"{rival.name.removesuffix(OWN_EMBEDDING)}\n"
        f"{rival.mean:.4f}, {rival.lead:+.4f}{apart}\n"
        f"ahead of {rival.ahead}, behind {rival.behind}, of {rival.rivals}"
    )
