"""`python -m benchmarks.plots FOLDER OUT_FOLDER`: draw what the JSON files of a folder hold.

An outer step's seconds and memory against items, users, length and window; recovery against the size of the summary;
the validated figure, as a share of the teacher's, against time. The same files give the same bytes.
"""

import json
from collections import defaultdict
from pathlib import Path
from typing import Annotated, Any

import typer
from matplotlib import rc_context  # pyright: ignore[reportMissingImports]
from matplotlib.figure import Figure  # pyright: ignore[reportMissingImports]
from matplotlib.ticker import NullFormatter, ScalarFormatter  # pyright: ignore[reportMissingImports]

from benchmarks.quality.measurement import VALIDATED
from benchmarks.sweep import AXES, SWEPT

LABELS = {"ours": "ours, every item", "sampled": "ours, candidates", "direct": "direct"}
Report = dict[str, Any]


def main(
    folder: Annotated[Path, typer.Argument(exists=True, file_okay=False, help="Where the JSON files are.")],
    out: Annotated[Path, typer.Argument(file_okay=False, help="Where the plots go.")],
) -> None:
    """Draw every plot there are figures for."""
    out.mkdir(parents=True, exist_ok=True)
    reports = [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]
    figures: dict[str, Figure] = {}
    for report in reports:
        if report.get("benchmark") == "sweep":
            figures |= sweep_figures(report)
    by_log: dict[str, list[Report]] = defaultdict(list)
    for report in reports:
        if report.get("benchmark") == "quality":
            for log, certificate in report["logs"].items():
                by_log[log].append(certificate)
    for log, certificates in by_log.items():
        name = log.partition(".")[0]
        if any(_unhurried(report) for report in certificates):
            figures[f"recovery-size-{name}"] = size_figure(log, certificates)
        figures[f"recovery-time-{name}"] = time_figure(log, certificates)
    for name, figure in figures.items():
        path = out / f"{name}.svg"
        with rc_context({"svg.hashsalt": "td3", "svg.fonttype": "none"}):
            figure.savefig(path, metadata={"Date": None})
        typer.echo(path)


def sweep_figures(report: Report) -> dict[str, Figure]:
    """Draw seconds and memory along each axis."""
    figures: dict[str, Figure] = {}
    for axis in AXES:
        points = [point for point in report["points"] if point["axis"] == axis and point["left_out"] is None]
        if not points:
            continue
        figure = Figure(figsize=(9, 3.6), layout="constrained")
        panels = figure.subplots(1, 2)
        for formulation in SWEPT:
            rows = [point for point in points if point["formulation"] == formulation]
            if not rows:
                continue
            values = [row["value"] for row in rows]
            seconds = [row["median_seconds"] for row in rows]
            spread = [
                [row["median_seconds"] - min(row["seconds"]) for row in rows],
                [max(row["seconds"]) - row["median_seconds"] for row in rows],
            ]
            mebibytes = [row["peak_bytes"] / 2**20 for row in rows]
            style = {"label": LABELS[formulation], "marker": "o", "markersize": 4, "capsize": 3}
            panels[0].errorbar(values, seconds, yerr=spread, **style)
            panels[1].errorbar(values, mebibytes, **style)
        for panel, unit in zip(panels, ("seconds an outer step", "peak MiB"), strict=True):
            panel.set(xscale="log", yscale="log", xlabel=axis, ylabel=unit)
            panel.grid(alpha=0.3)
        panels[0].legend()
        figures[f"speed-{axis}"] = figure
    return figures


def size_figure(log: str, reports: list[Report]) -> Figure:
    """Draw recovery of NDCG@10 on the held-out items against the steps of the summary, a line a learner."""
    ordered = sorted(filter(_unhurried, reports), key=lambda report: _steps(report["spec"]["summary"]))
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    for learner in dict.fromkeys(kind for report in ordered for kind in report["recovery"]):
        rows = [
            (report["spec"]["summary"], report["recovery"][learner][VALIDATED])
            for report in ordered
            if learner in report["recovery"] and report["recovery"][learner][VALIDATED]["recovery"]
        ]
        recovery = [row["recovery"] for _, row in rows]
        spread = [
            [row["recovery"] - (row["low"] or row["recovery"]) for _, row in rows],
            [(row["high"] or row["recovery"]) - row["recovery"] for _, row in rows],
        ]
        axes.errorbar(
            [_steps(summary) for summary, _ in rows],
            recovery,
            yerr=spread,
            marker="o",
            markersize=4,
            capsize=3,
            label=learner,
        )
    sizes = {_steps(report["spec"]["summary"]): report["spec"]["summary"] for report in ordered}
    axes.set(
        xscale="log",
        xlabel="size of the summary, users x length",
        ylabel="recovery of NDCG@10",
        title=f"{log}, {ordered[0]['split']} split, 95% intervals",
    )
    axes.set_xticks(list(sizes), [f"{size['users']} x {size['length']}" for size in sizes.values()])
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.axhline(1.0, color="grey", linewidth=0.8)
    axes.grid(alpha=0.3)
    axes.legend()
    return figure


def time_figure(log: str, reports: list[Report]) -> Figure:
    """Draw the validated figure as a share of the teacher's against the seconds of the job, a line a size."""
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    for report in sorted(reports, key=lambda report: _steps(report["spec"]["summary"])):
        size, teacher = report["spec"]["summary"], report["job"]["teacher"][f"valid_{VALIDATED}"]
        if not teacher:
            continue
        allowed = "" if _unhurried(report) else f" in {report['spec']['stop']['seconds']:.0f} s"
        axes.plot(
            [mark["seconds"] for mark in report["curve"]],
            [mark[VALIDATED] / teacher for mark in report["curve"]],
            marker="o",
            markersize=3,
            label=f"{size['users']} x {size['length']}{allowed}; load {report['load']:.1f}",
        )
    axes.set(
        xlabel="seconds since the job began, its teacher included",
        ylabel="validation NDCG@10 / teacher's",
        title=log,
    )
    axes.xaxis.set_major_formatter(ScalarFormatter())
    axes.axhline(1.0, color="grey", linewidth=0.8)
    axes.grid(alpha=0.3)
    axes.legend()
    return figure


def _unhurried(report: Report) -> bool:
    return report["spec"]["stop"]["seconds"] is None


def _steps(summary: dict[str, Any]) -> int:
    return summary["users"] * summary["length"]


if __name__ == "__main__":
    typer.run(main)
