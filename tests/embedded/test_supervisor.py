"""Children that end are started again, each time later."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from embedded.errors import NotReadyError
from embedded.process import ChildProcess
from embedded.supervisor import LONGEST_WAIT, STEADY_SECONDS, Supervisor


class Children:
    """Real processes, of which one ends at once, and a clock that the test sets."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self._folder = folder
        self._stack = stack
        self.now = 0.0
        self.told: list[str] = []
        self.starts: list[float] = []
        self.fails: Exception | None = None
        self.children: dict[str, ChildProcess] = {}
        self.start("brief")
        self.start("steady")
        self.supervisor = Supervisor(self.children, self.start, tell=self.told.append, clock=lambda: self.now)

    def start(self, name: str) -> ChildProcess:
        self.starts.append(self.now)
        if self.fails:
            raise self.fails
        command = ["/bin/sleep", "300" if name == "steady" else "0"]
        child = ChildProcess(name, command, log=self._folder / f"{name}.log")
        self._stack.callback(child.stop, grace=0)
        self.children[name] = child
        return child

    def mend_until(self, now: float, *, step: float = 0.5) -> list[float]:
        """Mend at every step; return when something was started meanwhile."""
        before = len(self.starts)
        while self.now < now:
            self.children["brief"].wait(10)
            self.supervisor.mend()
            self.now += step
        return self.starts[before:]


@pytest.fixture
def children(tmp_path: Path) -> Iterator[Children]:
    with ExitStack() as stack:
        yield Children(tmp_path, stack)


def test_a_child_that_ends_again_and_again_is_started_ever_later(children: Children) -> None:
    steady = children.children["steady"]
    found = children.mend_until(70)
    assert found[:6] == [0.0, 1.5, 4.0, 8.5, 17.0, 33.5]
    assert children.told[0].startswith("brief exited unexpectedly (exit code 0); its log is ")
    assert children.told[0].endswith("brief.log. It is started again.")
    assert children.told[1].endswith("It is started again in 1 s.")
    assert children.children["steady"] is steady
    assert steady.exit_code is None


def test_the_wait_has_a_bound_and_begins_anew_after_a_steady_while(children: Children) -> None:
    children.mend_until(400)
    waits = [after - before for before, after in zip(children.starts, children.starts[1:], strict=False)]
    assert max(waits) <= LONGEST_WAIT + 1
    killed_at = children.now = children.now + STEADY_SECONDS + 1
    children.children["steady"].kill()
    assert killed_at in children.mend_until(killed_at + 0.5)


@pytest.mark.parametrize(
    "error",
    [NotReadyError("brief", seconds=10, log=Path("log"), tail="no memory"), OSError(12, "no memory")],
    ids=["not ready", "no memory"],
)
def test_a_child_that_cannot_be_started_is_tried_again(children: Children, error: Exception) -> None:
    children.fails = error
    assert len(children.mend_until(5)) == 3
    assert any(str(error) in text for text in children.told)
    children.fails = None
    children.mend_until(10)
    assert children.children["brief"].exit_code == 0
    assert len(children.told) > 4
