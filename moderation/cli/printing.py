"""How commands answer: one JSON document on stdout with `--json`, plain lines otherwise; logs go to stderr."""

import json
import logging
import sys
from datetime import datetime

import structlog
import typer

from moderation.settings import Settings

JSON_OPTION = typer.Option(False, "--json", help="Print one JSON document on stdout.")


def print_json(document: object) -> None:
    """Print one JSON document."""
    typer.echo(json.dumps(document, ensure_ascii=False, indent=2, default=_plain))


def _plain(value: object) -> str:
    """Write a time as the API does."""
    return value.isoformat() if isinstance(value, datetime) else str(value)


def local_settings() -> Settings:
    """Settings of a command that opens the state directly: development unless told otherwise."""
    configure_logs()
    settings = Settings()
    return settings if "env" in settings.model_fields_set else settings.model_copy(update={"env": "development"})


def configure_logs(level: str = "INFO") -> None:
    """Send logs as JSON lines to stderr, so that stdout holds only the answer."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
