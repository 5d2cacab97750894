"""Start-up of the command ``plimsoll``: options, commands, and errors turned into exit statuses."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer
from typer.exceptions import TyperException

from core.cli import output
from core.cli.commands import (
    ci,
    data,
    features,
    governance,
    jobs,
    labels,
    models,
    monitoring,
    privacy,
    releases,
    runs,
    secrets,
    tuning,
    workspace,
)
from core.cli.session import Options
from core.kernel.errors import Cancelled, InputError, PlimsollError, SystemFault

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Plimsoll: takes a model through its whole life and holds every release to account.",
)
for module in (
    workspace,
    jobs,
    data,
    secrets,
    privacy,
    features,
    models,
    tuning,
    ci,
    runs,
    releases,
    monitoring,
    labels,
    governance,
):
    module.register(app)


@app.callback()
def options(
    context: typer.Context,
    workspace_dir: Annotated[str | None, typer.Option("--workspace", help="Folder of the workspace.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output.")] = False,
    user: Annotated[str, typer.Option("--as", help="Who acts.")] = "",
) -> None:
    """Options that stand before every command."""
    context.obj = Options(workspace_dir, as_json, user)


def main() -> None:
    """Run a command; exit 0 done, 1 the answer is no, 2 wrong input, 3 refused, 4 a fault of the system."""
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    arguments = hoisted(sys.argv[1:])
    as_json = "--json" in arguments
    try:
        code = app(args=arguments, prog_name="plimsoll", standalone_mode=False)
    except PlimsollError as error:
        output.failure(error, as_json)
        code = error.exit_code
    except typer.Abort:
        code = Cancelled.exit_code
    except TyperException as error:
        said = getattr(error, "format_message", error.__str__)()
        output.failure(InputError(said, remedy="See `plimsoll --help`, or add --help to the command."), as_json)
        code = InputError.exit_code
    except KeyboardInterrupt:
        output.err.print("✗ Cancelled", style="bold red")
        code = Cancelled.exit_code
    except BrokenPipeError:
        code = 0
    except Exception as error:  # noqa: BLE001 - no traceback ever reaches a user's screen
        fault = SystemFault("Plimsoll failed", detail=f"{type(error).__name__}: {error}", remedy=_where_to_look(error))
        output.failure(fault, as_json)
        code = SystemFault.exit_code
    sys.exit(code if isinstance(code, int) else 0)


def hoisted(arguments: list[str]) -> list[str]:
    """The options of every command (--json, --as USER, --workspace DIR) may stand anywhere on the line."""
    first: list[str] = []
    rest: list[str] = []
    words = iter(arguments)
    for word in words:
        if word == "--json" or word.startswith(("--as=", "--workspace=")):
            first.append(word)
        elif word in ("--as", "--workspace"):
            first += [word, *([value] if (value := next(words, None)) is not None else [])]
        elif word == "--":
            rest += [word, *words]
        else:
            rest.append(word)
    return first + rest


def _where_to_look(error: BaseException) -> str:
    if os.environ.get("PLIMSOLL_DEBUG"):
        import traceback

        return "".join(traceback.format_exception(error))
    return "Set PLIMSOLL_DEBUG=1 to see where, and report it."


if __name__ == "__main__":
    main()
