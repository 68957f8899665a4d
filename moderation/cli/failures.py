"""What a command says when it could not be done: one sentence on stderr, or with `--json` one problem document."""

import sys
from typing import TYPE_CHECKING, NoReturn

import typer

from moderation.cli.printing import print_json
from moderation.errors import ModerationError, Outage, Unprocessable
from moderation.problems import problem_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic_core import ErrorDetails

COULD_NOT_BE_DONE = 3


def end(error: Exception) -> NoReturn:
    """Say what was wrong and end with exit code 3. An error that nobody foresaw is raised again, with its traceback."""
    expected = foreseen(error)
    if expected is None:
        raise error
    if "--json" in sys.argv:
        print_json(problem_of(expected))
    else:
        typer.echo(f"moderation: {expected.message}", err=True)
        for place in _places(expected):
            typer.echo(f"  {place}", err=True)
    sys.exit(COULD_NOT_BE_DONE)


def foreseen(error: Exception) -> ModerationError | None:
    """The same failure as one of ours, None for a fault of the program. Imports what may have raised it only now."""
    if isinstance(error, ModerationError):
        return error
    from psycopg import OperationalError  # noqa: PLC0415
    from pydantic import ValidationError  # noqa: PLC0415
    from sqlalchemy.exc import OperationalError as PoolError  # noqa: PLC0415

    from detectors.base import DetectorError  # noqa: PLC0415

    if isinstance(error, DetectorError):
        return Outage("models", f"{error}; `moderation models build` builds what is missing")
    if isinstance(error, OperationalError | PoolError):
        return Outage("database", f"the database does not answer; `moderation doctor` looks into it: {_line(error)}")
    if isinstance(error, ValidationError) and error.title == "Settings":
        return Unprocessable(f"a setting cannot be used: {_settings(error.errors(include_input=False))}")
    if isinstance(error, OSError) and error.filename is not None:
        return Unprocessable(f"{error.filename}: {error.strerror}")
    return None


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]


def _settings(errors: "list[ErrorDetails]") -> str:
    """Name each setting by its variable."""
    return "; ".join(f"MODERATION_{'__'.join(map(str, each['loc'])).upper()}: {each['msg']}" for each in errors)


def _places(error: ModerationError) -> list[str]:
    """The places that are wrong, when the error lists them."""
    listed, findings = error.params.get("errors"), error.params.get("findings")
    if isinstance(findings, list):
        # Rules that cannot be used name their findings in the message already.
        return [line for each in findings if (line := _finding(each)) not in error.message]
    return [f"{each['pointer']}: {each['detail']}" for each in listed] if isinstance(listed, list) else []


def _finding(found: "Mapping[str, object]") -> str:
    return "{path}:{line}:{column} {code} {message}".format_map(found)
