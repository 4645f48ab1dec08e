"""Command lines called within the test process."""

from typer import Typer
from typer.testing import CliRunner


def run(command, *arguments: str) -> str:
    """What the command prints; it must succeed."""
    app = Typer()
    app.command()(command)
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    return done.output
