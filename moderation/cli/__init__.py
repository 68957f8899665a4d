"""The `moderation` command. Exit codes: 0 done, 1 the answer is "no", 2 usage, 3 could not be done (with the next step)."""

import sys
from typing import NoReturn

import typer

from moderation.cli import checks, deciding, diagnosis, keys, models, people, policy, running
from moderation.errors import ModerationError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="The pre-publication gate for AI-generated video: detect, mark, prove, review.",
)
for module in (running, checks, deciding, diagnosis):
    module.register(app)
app.add_typer(models.app, name="models", help="The packs of weights.")
app.add_typer(policy.app, name="policy", help="Rules: lint and test.")
app.add_typer(people.app, name="people", help="The likeness registry.")
app.add_typer(keys.app, name="keys", help="API keys.")
app.add_typer(deciding.audit_app, name="audit", help="The audit log.")


def main() -> NoReturn:
    """Run the command line; expected failures are one sentence on stderr and exit code 3."""
    try:
        app()
    except ModerationError as error:
        sys.stderr.write(f"moderation: {error.message}\n")
        sys.exit(3)
    sys.exit(0)
