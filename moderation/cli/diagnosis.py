"""`moderation doctor`: what this installation is, and what is wrong with it, with the fix. Changes nothing."""

import typer

from moderation.cli.printing import JSON_OPTION, local_settings, print_json
from moderation.diagnosis import Finding, diagnose


def doctor(*, as_json: bool = JSON_OPTION) -> None:
    """Check settings, versions, devices, database, models, policies and packages; exit 1 when something is wrong."""
    findings = diagnose(local_settings())
    wrong = [finding for finding in findings if not finding.fine]
    if as_json:
        print_json(
            {
                "healthy": not wrong,
                "checks": [
                    {"name": f.name, "ok": f.fine, "says": f.says, "fix": f.fix, "warning": f.warning} for f in findings
                ],
            }
        )
    for finding in () if as_json else findings:
        typer.echo(line(finding))
    raise typer.Exit(1 if wrong else 0)


def line(finding: Finding) -> str:
    """One check in one line, and its fix below it."""
    sign = "ok   " if finding.fine else "WRONG"
    fix = f"\n      fix: {finding.fix}" if finding.fix and not finding.fine else ""
    return f"{sign} {finding.name}: {finding.says}{fix}"
