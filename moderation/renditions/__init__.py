"""What reviewers are shown: made from the marked file, veiled by default, each copy bearing the code of its viewer."""

from moderation.renditions.bases import find, moments_of
from moderation.renditions.crops import people_beside
from moderation.renditions.personal import UNVEILED, Rendition, demand_personal, unveiled_face, veiled
from moderation.renditions.sheet import sheet, sheet_of
from moderation.renditions.sight import demand_sight, demand_unveiled

__all__ = [
    "UNVEILED",
    "Rendition",
    "demand_personal",
    "demand_sight",
    "demand_unveiled",
    "find",
    "moments_of",
    "people_beside",
    "sheet",
    "sheet_of",
    "unveiled_face",
    "veiled",
]
