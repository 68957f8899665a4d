"""`moderation check`: one clip through the same pipeline in this process, with or without a running service."""

from collections.abc import Callable
from pathlib import Path

import psycopg

from moderation import intake
from moderation.clips import Clip, Submission
from moderation.db import libpq_url
from moderation.errors import ModerationError
from moderation.holding import check_lock
from moderation.pipeline import Json, process_clip
from moderation.services import Services
from moderation.steps import STEPS


class InlineSteps:
    """Carries steps out here and now, one after the other. What dies with this process is ended at the next start."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def run(self, step: str, *args: Json) -> Json:
        return STEPS[step].function(self._services, *args)

    def start(self, step: str, *args: Json) -> Callable[[], Json]:
        try:
            answer = self.run(step, *args)
        except ModerationError as error:
            failure = error

            def fail() -> Json:
                raise failure

            return fail
        return lambda: answer


def check_file(services: Services, org: str, principal: str, path: Path, submission: Submission) -> Clip:
    """Accept a file and take it to its end; the clip stays, and so does its case.

    No worker takes its work while this process lives: it holds a session advisory lock that Postgres drops when
    this process dies. Raises a refusal when the file is unusable.
    """
    clip = intake.accept_file(services, org, principal, path, submission, runner="check")
    with psycopg.connect(libpq_url(services.dsn), autocommit=True) as connection:
        connection.execute("select pg_advisory_lock(hashtextextended(%s, 0))", (check_lock(clip.clip_id),))
        process_clip(InlineSteps(services), org, clip.clip_id, clip.generation)
    return clip
