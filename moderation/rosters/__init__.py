"""Rosters: lists of people with pictures that an operator registers at once. Read first, imported person by person."""

from moderation.rosters.importing import Outcome, import_roster
from moderation.rosters.reading import Entry, Picture, Refusal, Roster, read_roster

__all__ = ["Entry", "Outcome", "Picture", "Refusal", "Roster", "import_roster", "read_roster"]
