"""One table over all logs: what the summary of each is worth, beside its strongest rivals, and what it takes."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from rich.table import Table

from benchmarks.quality.measurement import VALIDATED
from benchmarks.quality.request import Document
from td3client.display import duration
from td3core.config import SOURCE_BY_NAME

WIDTH = 180
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
    """Return the table, a row a log; it tells what summaries are worth in real users where that was measured."""
    worth = any(report.get("worth") for report in reports.values())
    rival = "strongest rival\nNDCG@10\nlead of the summary\napart of all rivals"
    table = Table(
        "log\nusers x items\ninteractions",
        "full\nteacher\nsummary\nfloor",
        "recovery\n95%\nof the teacher\nlift recovery",
        rival,
        "own\nembedding\nfull\nsummary",
        "recovery\n95%\nof the teacher",
        rival,
        *(["worth in\nlabelled users\nshared factor\nown embedding"] if worth else []),
        "bytes /\nParquet\nlog to\nsummary",
        title="NDCG@10 by log; apart: zero lies outside the 95% interval of the lead, over seeds and users",
        show_lines=True,
    )
    for log, report in reports.items():
        table.add_row(*_cells(log, report, worth=worth))
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


def _cells(log: str, report: Document, *, worth: bool) -> Iterator[str]:
    profile, size, learner = report["profile"], report["size"], learner_of(report)
    recovery = report["recovery"][learner].get(VALIDATED) or {}
    own = report["own_recovery"][learner].get(VALIDATED) or {}
    yield f"{log}\n{profile['users']:,} x {profile['items']:,}\n{profile['interactions']:,}"
    yield "\n".join(_mean(report, source) for source in ("full", "teacher", "summary", "floor"))
    yield f"{_recovery(recovery)}\n{_number(recovery.get('lift_recovery'))}"
    yield _rival(strongest_rival(report, own_embedding=False))
    yield "\n\n" + "\n".join(_mean(report, f"{source}{OWN_EMBEDDING}") for source in ("full", "summary"))
    yield _recovery(own)
    yield _rival(strongest_rival(report, own_embedding=True))
    if worth:
        found = (report.get("worth") or {}).get(learner, {})
        yield "\n\n" + "\n".join(
            _worth(found.get(source)) for source in ("summary", f"summary{OWN_EMBEDDING}")
        )
    yield f"{size['summary_bytes'] / size['log_parquet_bytes']:.3f}\n\n{duration(report['job_seconds'])}"


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


def _recovery(recovery: Mapping[str, Any]) -> str:
    low, high = recovery.get("low"), recovery.get("high")
    ends = "" if low is None or high is None else f"{low:.3f} to {high:.3f}"
    return f"{_number(recovery.get('recovery'))}\n{ends}\n{_number(recovery.get('teacher_recovery'))}"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _worth(worth: Mapping[str, Any] | None) -> str:
    if worth is None or not worth["curve"]:  # all trainings on users diverged
        return ""
    least, most = (worth["curve"][end]["users"] for end in (0, -1))
    if worth["users"] is None:
        return f"more than {'all ' if most == worth['log_users'] else ''}{most:,}"
    if worth["users"] <= least:
        return f"at most {least:,}, {worth['times_rows']:.1f} x rows"
    return f"{worth['users']:,.0f}, {worth['times_rows']:.1f} x rows"


def _rival(rival: Rival | None) -> str:
    if rival is None:
        return ""
    apart = {True: ", apart", False: ", not apart", None: ""}[rival.apart]
    return (
        f"{rival.name.removesuffix(OWN_EMBEDDING)}\n{rival.mean:.4f}\n{rival.lead:+.4f}{apart}\n"
        f"{rival.ahead} ahead, {rival.behind} behind, of {rival.rivals}"
    )
