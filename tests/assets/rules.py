"""One area of one rule with its cases, as templates, for tests of what becomes of policies. Judges nothing."""

AREA = """\
language: 1
owner: somebody
description: for a test
queue: explicit
requires: []
rules:
  - rule: seen
    when: {{signal: explicit.score, at_least: {threshold}}}
    then: {{outcome: review, reasons: [explicit_content]}}
"""
CASES = """\
cases:
  - case: well above
    given: {{signals: {{explicit.score: "{above}x8"}}}}
    must_fire: [seen]
    expect: {{outcome: review, reasons: [explicit_content], queue: explicit}}
  - case: just below
    given: {{signals: {{explicit.score: "{below}x8"}}}}
    must_not_fire: [seen]
"""
