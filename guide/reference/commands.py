"""The page on commands: `td3` and the modules that are run with `python -m`."""

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption
from typer.main import get_command

from guide.reference.markdown import code, table
from td3client.cli import app

MODULES = {
    "api": "the HTTP API",
    "api.migrate": "the migrations of the database",
    "api.keys": "the first API key",
    "worker": "a worker, which executes runs",
    "worker.keeper": "the keeper, which requeues runs and cleans the storage",
    "td3core.export": "sequences of a summary as a file",
    "td3core.data.sample": "a synthetic log",
}
"""Modules with options of their own, and what they run or write."""
PLAIN = {"embedded": "the whole service on one machine", "embedded.demo": "the whole path on one log"}
"""Modules that say in their docstring how they are used."""
WIDTH = 100


def commands_page() -> str:
    """Arguments and options of all commands, as the commands themselves describe them."""
    group = get_command(app)
    assert isinstance(group, TyperGroup)
    commands = list(_commands("td3", group))
    options = [option for option in group.params if option.name != "help"]
    modules = [f"### `python -m {name}`\n\nRuns {what}.\n\n{_usage(name)}\n" for name, what in PLAIN.items()]
    modules += [
        f"### `python -m {name}`\n\nFor {what}.\n\n```text\n{_help(name)}\n```\n"
        for name, what in MODULES.items()
    ]
    return f"""# Command line

## `td3`

The client of a running service. `td3 --help` and `td3 COMMAND --help` print what follows. Before the command may come

{table(("option", "default", "description"), map(_parameter, options))}
{"".join(commands)}
## Modules

{"".join(modules)}"""


def _commands(prefix: str, group: TyperGroup) -> Iterator[str]:
    """The commands of a group, and of the groups in it."""
    for name, command in group.commands.items():
        if isinstance(command, TyperGroup):
            yield from _commands(f"{prefix} {name}", command)
        else:
            yield _command(f"{prefix} {name}", command)


def _command(name: str, command: Any) -> str:
    assert isinstance(command, TyperCommand)
    usage = " ".join(command.collect_usage_pieces(typer.Context(command)))
    return f"""### `{name}`

{command.help or ""}

```console
$ {name} {usage}
```

{table(("argument or option", "default", "description"), map(_parameter, command.params))}
"""


def _parameter(parameter: Any) -> tuple[str, str, str]:
    """Name, default and description of an argument or an option."""
    assert isinstance(parameter, TyperArgument | TyperOption)
    if isinstance(parameter, TyperOption):
        names = ", ".join(code(name) for name in parameter.opts)
        variable = f" Also read from `{parameter.envvar}`." if parameter.envvar else ""
    else:
        names, variable = code((parameter.name or "").upper()), ""
    default = "required" if parameter.required else _default(parameter.default)
    return names, default, str(getattr(parameter, "help", "") or "") + variable


def _default(value: object) -> str:
    return "" if value is None or value is False else code(value)


def _usage(module: str) -> str:
    """What the docstring of a module says of its command."""
    return (import_module(f"{module}.__main__" if module == "embedded" else module).__doc__ or "").strip()


def _help(module: str) -> str:
    """What `python -m module --help` prints, without the list of settings, which is on a page of its own."""
    printed = io.StringIO()
    runnable = {name: f"{name}.__main__" for name in ("api", "api.keys", "worker")}.get(module, module)
    with _arguments("--help"), redirect_stdout(printed), suppress(SystemExit):
        import_module(runnable).main()
    return printed.getvalue().partition("Environment variables:")[0].strip()


@contextmanager
def _arguments(*arguments: str) -> Iterator[None]:
    """Let a command see these arguments, on a terminal of a fixed width."""
    before, columns = sys.argv, os.environ.get("COLUMNS")
    sys.argv, os.environ["COLUMNS"] = ["command", *arguments], str(WIDTH)
    try:
        yield
    finally:
        sys.argv = before
        if columns is None:
            del os.environ["COLUMNS"]
        else:
            os.environ["COLUMNS"] = columns
