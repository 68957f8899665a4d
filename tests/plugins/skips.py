"""No silent skips: every skipped test must stand in `tests/allowed_skips.txt` with its reason, or the run fails.

In CI (`CI=true`) an entry marked `not-in-ci` does not count: there, a missing tool is a failure.
"""

import os
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

LIST = Path(__file__).resolve().parent.parent / "allowed_skips.txt"


def allowed_patterns(text: str, *, ci: bool) -> dict[str, str]:
    """The test ids (with `*`) that may be skipped, each with its reason; `ValueError` for an entry without one."""
    patterns = {}
    for line in text.splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        pattern, _, reason = (part.strip() for part in line.partition(" : "))
        if not reason:
            raise ValueError(f"{LIST.name}: {pattern} is listed without a reason")
        if not (ci and reason.startswith("not-in-ci")):
            patterns[pattern] = reason
    return patterns


class SkipGate:
    """Watches one run for skips that nobody allowed."""

    def __init__(self, allowed: dict[str, str]) -> None:
        self.allowed = allowed
        self.unlisted: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note a skipped test; an expected failure is none."""
        if report.skipped and not hasattr(report, "wasxfail"):
            self._note(report.nodeid)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Note a whole module that skipped itself."""
        if report.skipped:
            self._note(report.nodeid)

    def _note(self, nodeid: str) -> None:
        if not any(fnmatchcase(nodeid, pattern) for pattern in self.allowed):
            self.unlisted.append(nodeid)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Fail the run."""
        if self.unlisted:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Name what was skipped without leave."""
        for nodeid in self.unlisted:
            terminalreporter.write_line(f"NOT ALLOWED TO SKIP {nodeid}: list it in tests/{LIST.name} or repair it")


def pytest_configure(config: pytest.Config) -> None:
    """Put up the gate."""
    text = LIST.read_text()
    config.pluginmanager.register(SkipGate(allowed_patterns(text, ci=os.environ.get("CI") == "true")), "skip-gate")
