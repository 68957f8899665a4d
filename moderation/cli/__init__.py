"""The `moderation` command. Exit codes: 0 done, 1 the answer is "no", 2 usage, 3 could not be done (says why).

Each command's module is imported when it is called: checking a policy must not wait for a detector.
"""

import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any, Final, NoReturn

import typer
from typer.core import TyperGroup

#: Command -> its module in this package, its function or sub-app there, and its line of help.
COMMANDS: Final[dict[str, tuple[str, str, str]]] = {
    "up": ("running", "up", "Run every role on this machine until Ctrl-C."),
    "api": ("running", "api", "Serve the HTTP API and the review pages."),
    "worker": ("running", "worker", "Serve queues: `detect` on GPU machines, the others anywhere."),
    "migrate": ("running", "migrate", "Bring the schema up to date."),
    "demo": ("running", "demo", "Run the sample clips through once and print what became of them."),
    "submit": ("checks", "submit", "Hand one clip to a running service over HTTP."),
    "check": ("checks", "check", "Take one clip through the whole pipeline in this process."),
    "verify": ("checks", "verify", "Tell where any copy of a clip came from."),
    "lineage": ("lineage", "lineage", "What a clip was made from, and what was made from it."),
    "policy": ("policy", "app", "Rules: lint, test, backtest, diff, and the way into force."),
    "models": ("models", "app", "The packs of weights: build, verify, list."),
    "calibrate": ("calibration", "calibrate", "What raw scores are worth on labelled pictures of your own."),
    "review": ("review", "app", "The human queue: how it stands, who is dealt what."),
    "people": ("people", "app", "The likeness registry."),
    "lists": ("lists", "app", "Hash lists: import, export, add, disable."),
    "keys": ("keys", "app", "API keys: create, list, revoke."),
    "principals": ("principals", "app", "People who log in: list them, bar one, admit one again."),
    "attacks": ("attacks", "attacks", "What the invisible mark survives: attack marked clips and read them."),
    "doctor": ("diagnosis", "doctor", "What this installation is, what is wrong with it, and the fix."),
    "authority": ("authority", "app", "Who signs manifests and whom we believe; a development authority for tools."),
    "replay": ("deciding", "replay", "Derive past decisions anew from stored facts."),
    "audit": ("deciding", "audit_app", "The audit log."),
}


class LazyGroup(TyperGroup):
    """Finds commands in `COMMANDS` and imports the module of the one that is called."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in COMMANDS:
            return None
        if ctx.resilient_parsing or (ctx.info_name and _only_listing()):
            return _described(cmd_name)
        return load(cmd_name)


def _only_listing() -> bool:
    """Tell whether the whole program is only asked for its list of commands."""
    return not any(argument in COMMANDS for argument in sys.argv[1:])


def _described(name: str) -> Any:
    """A command that knows its name and help only."""
    described = typer.Typer(add_completion=False)
    described.command(name, help=COMMANDS[name][2])(lambda: None)
    return typer.main.get_command(described)


def load(name: str) -> Any:
    """Import one command."""
    module, attribute, line = COMMANDS[name]
    found: typer.Typer | Callable[..., object] = getattr(import_module(f"moderation.cli.{module}"), attribute)
    if isinstance(found, typer.Typer):
        return typer.main.get_group(found)
    single = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    single.command(name, help=found.__doc__ or line)(found)
    return typer.main.get_command(single)


app = typer.Typer(
    cls=LazyGroup,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="The pre-publication gate for AI-generated video: detect, mark, prove, review.",
)


@app.callback()
def _root() -> None:
    """The pre-publication gate for AI-generated video: detect, mark, prove, review."""


def main() -> NoReturn:
    """Run the command line; what could not be done is one sentence (or one document) and exit code 3."""
    try:
        app()
    except Exception as error:  # noqa: BLE001 (what nobody foresaw is raised again there)
        from moderation.cli.failures import end  # noqa: PLC0415 (a command that went well needs none of it)

        end(error)
    sys.exit(0)
