"""Whatever the database allows a state, kind or answer to be, the pages have words for: without them they are errors."""

import re
from collections.abc import Iterator

from jinja2 import nodes

from moderation.facts import Consent
from review_ui import grants, likeness, lineage, lookbacks, policies, rendering, search, trends

#: Tables within templates, by file and by macro or what is looked up, and the columns whose values they name.
INLINE = {
    "case/beside.html scope": ("grants.scope",),
    "case/words.html status": ("clips.status",),
    "case/words.html act": ("opinions.outcome",),
    "case/words.html kind": ("notices.kind",),
    "likeness/person.html state": ("notices.state", "appeals.state"),
    "me/care.html outcomes": ("golden_answers.outcome", "opinions.outcome"),
    "mine/page.html answer": ("consent_answers.answer",),
    "mine/page.html hows": ("appearances.how",),
    "mine/question.html answer": ("consent_answers.answer",),
    "queues/list.html outcomes": ("golden_answers.outcome", "opinions.outcome"),
}
#: What they name is no column: our code makes it, or a default follows.
MADE = {
    "case/words.html consent",
    "case/words.html finding",
    "case/words.html consequence",
    "case/words.html unseen",
    "likeness/progress.html state",
    "me/look.html veil",
    "policies/history.html step",
    "problem.html home",
    "receipt.html titles",
    "sentence.html status",
}
#: Tables within modules.
MODULES = {
    "clips.status": (search.STATUSES,),
    "grants.audience": (grants.AUDIENCES,),
    "grants.mode": (grants.MODES,),
    "grants.scope": (grants.SCOPES,),
    "lineage.how": (lineage.WAYS,),
    "lookbacks.state": (lookbacks.STATES,),
    "people.kind": (likeness.KINDS,),
    "people.state": (likeness.STATES,),
    "policy_bundles.state": (policies.STATES, policies.STEPS),
    "trends.kind": (trends.KINDS,),
}
ALLOWED = """
select substring(c.conrelid::regclass::text from '[^.]+$') || '.' || a.attname, pg_get_constraintdef(c.oid)
from pg_constraint c join pg_attribute a on a.attrelid = c.conrelid and a.attnum = c.conkey[1]
where c.contype = 'c' and c.connamespace = 'moderation'::regnamespace and cardinality(c.conkey) = 1
"""


def tables() -> Iterator[tuple[str, set[object]]]:
    """What each table within a template has words for; in a macro it goes by the macro's name."""
    made = rendering.environment("en")
    for file in made.list_templates():
        tree = made.parse(made.loader.get_source(made, file)[0])
        macros = {id(each): macro.name for macro in tree.find_all(nodes.Macro) for each in macro.find_all(nodes.Dict)}
        for each in tree.find_all((nodes.Getitem, nodes.Assign)):
            if isinstance(each.node, nodes.Dict):
                by = each.target if isinstance(each, nodes.Assign) else each.arg
                by = by.left if isinstance(by, nodes.Or) else by
                name = macros.get(id(each.node)) or getattr(by, "attr", None) or by.name
                yield f"{file} {name}", {item.key.as_const() for item in each.node.items}


def test_every_value_that_a_column_may_have_has_words_on_the_pages(database):
    with database.transaction("default") as tx:
        allowed = {name: set(re.findall(r"'(\w+)'::", said)) for name, said in tx.pg.execute(ALLOWED).fetchall()}
    found = dict(tables())
    assert set(found) == set(INLINE) | MADE
    for table, columns in INLINE.items():
        for column in columns:
            assert not allowed[column] - found[table], (table, column)
    for column, mappings in MODULES.items():
        for mapping in mappings:
            assert allowed[column] == set(mapping), column
    assert found["case/words.html consent"] == set(Consent)
