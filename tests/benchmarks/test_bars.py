"""What is seen of several runs at once."""

import io

import pytest
from rich.console import Console

from benchmarks import bars
from benchmarks.bars import Bars, follow
from td3core.progress import Progress


def console(*, terminal: bool) -> tuple[Console, io.StringIO]:
    file = io.StringIO()
    return Console(file=file, force_terminal=terminal, width=120), file


def test_elsewhere_than_on_a_terminal_a_stage_has_a_line_now_and_then(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shown, file = console(terminal=False)
    with Bars(shown) as drawn:
        for step in range(3):
            drawn.show("a.csv", Progress("teacher", step, 3, losses={"train": 2.5}, fraction=step / 10))
            drawn.show("b.csv", Progress("teacher", step, 3, fraction=step / 10), stage="old, teacher")
        drawn.show("a.csv", Progress("distilling", 1, 3, fraction=0.5, eta_seconds=65.0))
        monkeypatch.setattr(bars, "LINE_SECONDS", 0.0)
        drawn.show("a.csv", Progress("distilling", 2, 3, fraction=0.6))
    assert file.getvalue().splitlines() == [
        "a.csv teacher   0% train 2.5000",
        "b.csv old, teacher   0%",
        "a.csv distilling  50% 1 min 05 s left",
        "a.csv distilling  60%",
    ]


def test_on_a_terminal_each_run_has_a_bar_until_its_end() -> None:
    shown, file = console(terminal=True)
    with Bars(shown) as drawn:
        drawn.show("a.csv", Progress("teacher", 1, 3, fraction=0.25))
        drawn.show("b.csv", Progress("evaluating", 1, 3, scores={"ndcg@10": 0.125}, fraction=0.75))
        drawn.end("a.csv")
        drawn.show("b.csv", Progress("evaluating", 2, 3, fraction=1.0))
    last = file.getvalue().rsplit("\r", 1)[-1]
    assert "b.csv evaluating" in last
    assert "100%" in last
    assert "a.csv" not in last


def test_following_a_run_goes_to_its_end() -> None:
    shown, _ = console(terminal=False)
    seen: list[int] = []

    def run():
        for step in range(3):
            seen.append(step)
            yield Progress("teacher", step, 3)

    assert follow(run(), shown) >= 0
    assert seen == [0, 1, 2]
