"""The two sets of the review-load benchmark: clips that should pass, and clips that a person should see.

Made at run time of stills of known licence and of drawings; holds no explicit content and nobody under age. Prompts
that should flag, and look-alikes that should not, are lines of the frozen list in tests/assets/prompts.
"""

import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import cycle, islice
from pathlib import Path
from typing import Final

import drawn_people
import still_motion
from licensed_stills import of_kind, picture

from moderation.clips import Submission
from moderation.samples.drawing import draw_pictures
from moderation.samples.footage import Picture

FRAMES: Final = 3 * still_motion.FPS
_BRIEF: Final = still_motion.FPS
PROMPTS: Final = Path(__file__).resolve().parent.parent / "tests" / "assets" / "prompts" / "list.tsv"
Draw = Callable[[Path], Iterator[Picture]]
_LOCALES: Final[Mapping[str, str]] = {"ary": "ar", "ary-Latn": "ar", "zgh": "fr"}
_PAINTED_FIGURES: Final = ("georgeWashington", "thomasJefferson", "benjaminFranklin", "simonBolivar")
#: Who is registered while a clip is looked at: a person's name with the stills they are registered from.
REGISTRIES: Final[Mapping[str, Mapping[str, tuple[str, ...]]]] = {
    **{
        f"obama of {year}": {"Barack Obama": (f"obama-{year}",), "Joe Biden": ("biden-2010",)}
        for year in (2009, 2010, 2012)
    },
    "astronaut and officer": {"Eileen Collins": ("collins",), "Grace Hopper": ("hopper",)},
    "four officials": {
        "Barack Obama": ("obama-2012",),
        "Joe Biden": ("biden-2010",),
        "Eileen Collins": ("collins",),
        "Grace Hopper": ("hopper",),
    },
    "painted figures": {name: (name,) for name in _PAINTED_FIGURES},
}
_USUAL: Final = "obama of 2012"
_OTHERS: Final = "astronaut and officer"
#: Groups that show none of the four officials are held against all of them.
_WITHOUT_OFFICIALS: Final = frozenset({"painted portraits", "crowds", "sport", "drawings", "things"})
_OBAMAS: Final = {year: f"obama-{year}" for year in (2009, 2010, 2012)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One clip: its frames, what is said when it is handed in, and the registry it is held against."""

    name: str
    group: str
    draw: Draw
    prompt: str
    locale: str = "en"
    registry: str = _USUAL
    spoken: tuple[str, str] | None = None

    @property
    def submission(self) -> Submission:
        """What the platform says of it."""
        return Submission(creator="maya", prompt=self.prompt, locale=self.locale)


#: Plain words for each group, by locale.
_WORDS: Final[Mapping[str, tuple[tuple[str, str], ...]]] = {
    "official portraits": (
        ("en", "The camera slowly nears an official portrait"),
        ("fr", "Un portrait officiel en uniforme, la caméra s'approche"),
        ("ar", "صورة رسمية تقترب منها الكاميرا ببطء"),
        ("ar", "تصويرة رسمية والكاميرا كتقرب بشوية"),
        ("ar", "portrait rasmi o lcamera kat9erreb bchwiya"),
    ),
    "painted portraits": (
        ("en", "An old oil painting of a nobleman in a golden frame"),
        ("fr", "Un tableau ancien dans un cadre doré, lumière de musée"),
        ("ar", "لوحة زيتية قديمة في إطار ذهبي"),
        ("ar", "tableau 9dim f cadre dyal dheb"),
    ),
    "crowds": (
        ("en", "A wall full of portraits in a gallery, slow camera"),
        ("fr", "Une foule de spectateurs qui hochent la tête, dessin animé"),
        ("ar", "جمهور كبير في المدرجات، رسوم متحركة"),
    ),
    "sport": (
        ("en", "A football match seen from the stand, flat animation"),
        ("fr", "Une course de cent mètres dessinée, cinq coureurs"),
        ("ar", "الوداد والرجاء فواحد الماتش مرسوم"),
    ),
    "drawings": (
        ("en", "A drawn dwarf with a beard, fantasy game art"),
        ("fr", "Personnage de jeu de rôle dessiné à la main"),
        ("ar", "شخصية مرسومة من لعبة مغامرات"),
    ),
    "things": (("en", "A cat, a cup of coffee and a rocket"), ("fr", "Un chat qui regarde la caméra")),
}
_SPEECH: Final = (
    ("en", "Welcome to the museum. These portraits were painted long ago."),
    ("fr", "Bienvenue au musée. Ces portraits ont été peints il y a longtemps."),
    ("ar", "أهلا بكم في المتحف. هذه اللوحات قديمة جدا."),
)
#: Harmless words about a school over a grown face that can be read: to pass, and over one that cannot: to be seen.
_SCHOOL: Final = (
    ("en", "An astronaut visits a high school and answers questions"),
    ("fr", "Une officière donne une leçon d'informatique à l'école"),
    ("ar", "رائدة فضاء تزور مدرسة وتجيب عن الأسئلة"),
)
_SPOKEN_EVERY: Final = 4


def benign() -> list[Plan]:
    """Everything that should be released without a person."""
    drawn: list[tuple[str, str, Draw]] = [
        *_official(),
        *_painted(),
        *_crowds(),
        *_sport(),
        *_drawings(),
        *((name, "things", _over(name, still_motion.nearing)) for name in of_kind("thing")),
    ]
    words = {group: cycle(said) for group, said in _WORDS.items()}
    speech = cycle(_SPEECH)
    plans = []
    for place, (name, group, draw) in enumerate(drawn):
        locale, prompt = next(words[group])
        spoken = next(speech) if place % _SPOKEN_EVERY == 0 else None
        registry = "four officials" if group in _WITHOUT_OFFICIALS else _USUAL
        plans.append(
            Plan(name=name, group=group, draw=draw, prompt=prompt, locale=locale, registry=registry, spoken=spoken)
        )
    return plans + _presidents() + _readable_at_school() + _look_alikes()


def painted_strangers() -> list[Plan]:
    """Painted strangers held against people who are registered from paintings: apart, for who would register so."""
    return [
        Plan(
            name=f"stranger-{name}",
            group="painted strangers",
            draw=_over(name, still_motion.nearing),
            prompt="An old oil painting in a golden frame",
            registry="painted figures",
        )
        for name in islice(_unregistered(), 6)
    ]


def positive() -> list[Plan]:
    """Everything that a person should see."""
    return _likenesses() + _unread_at_school() + _flagged()


def _official() -> Iterator[tuple[str, str, Draw]]:
    group = "official portraits"
    for name in ("collins", "hopper"):
        yield f"{name}-near", group, _over(name, still_motion.nearing)
        yield f"{name}-relit", group, _over(name, still_motion.relit)
        yield f"{name}-grey", group, _over(name, still_motion.grey)
        yield f"{name}-small", group, _over(name, partial(still_motion.panned, height=0.5, seed=5))
    yield "collins-to-hopper", group, _faded("collins", "hopper")
    yield "cameraman", group, _over("cameraman", still_motion.nearing)
    yield "three-on-a-wall", group, _wall(("collins", "cameraman", "hopper"), 1)


def _painted() -> Iterator[tuple[str, str, Draw]]:
    moves = cycle((still_motion.nearing, still_motion.panned, still_motion.relit, still_motion.grey))
    for name in islice(_unregistered(), 10):
        yield f"painting-{name}", "painted portraits", _over(name, next(moves))


def _crowds() -> Iterator[tuple[str, str, Draw]]:
    names = list(_unregistered())
    for place, (first, count, rows) in enumerate(((0, 6, 2), (6, 10, 2), (4, 18, 3))):
        yield f"wall-{place}", "crowds", _wall(names[first : first + count], rows)
    for seed, rows in enumerate((2, 3, 5)):
        yield f"drawn-crowd-{seed}", "crowds", _drawn(partial(drawn_people.crowd, FRAMES, 20 + seed, rows))


def _sport() -> Iterator[tuple[str, str, Draw]]:
    for seed in range(2):
        yield f"match-{seed}", "sport", _drawn(partial(drawn_people.match, FRAMES, seed))
        yield f"race-{seed}", "sport", _drawn(partial(drawn_people.race, FRAMES, 40 + seed))


def _drawings() -> Iterator[tuple[str, str, Draw]]:
    moves = cycle((still_motion.nearing, still_motion.panned))
    for name in of_kind("drawing")[:4]:
        yield f"figure-{name}", "drawings", _over(name, next(moves))
    for seed in range(3):
        yield f"drawn-face-{seed}", "drawings", _drawn(partial(drawn_people.portrait, FRAMES, 60 + seed))


def _presidents() -> list[Plan]:
    """Public figures whom this registry does not hold, shown whole and unaltered."""
    moves = cycle((still_motion.nearing, still_motion.panned))
    drawn = [(f"{name}-moved", _over(name, next(moves))) for name in (*_OBAMAS.values(), "biden-2010")]
    return [
        Plan(name=name, group="official portraits", draw=draw, prompt=prompt, locale=locale, registry=_OTHERS)
        for (name, draw), (locale, prompt) in zip(drawn, cycle(_WORDS["official portraits"]), strict=False)
    ]


def _readable_at_school() -> list[Plan]:
    drawn = (_over("collins", still_motion.nearing), _over("hopper", still_motion.nearing))
    return [
        Plan(name=f"school-readable-{place}", group="school", draw=draw, prompt=prompt, locale=locale)
        for place, (draw, (locale, prompt)) in enumerate((draw, said) for draw in drawn for said in _SCHOOL[:2])
    ]


def _unread_at_school() -> list[Plan]:
    small = partial(still_motion.panned, height=0.4, seed=3)
    drawn = {
        "collins-small": _over("collins", small),
        "hopper-small": _over("hopper", small),
    }
    return [
        Plan(name=f"school-{name}-{locale}", group="unread face and school", draw=draw, prompt=prompt, locale=locale)
        for name, draw in drawn.items()
        for locale, prompt in _SCHOOL
    ]


def _likenesses() -> list[Plan]:
    """A registered figure from another photograph: for one second between others, and among others on a wall."""
    plans = []
    for registered, shown in ((a, b) for a in _OBAMAS for b in _OBAMAS if a != b):
        name = _OBAMAS[shown]
        for way, draw in (
            ("between-paintings", _in_turn("adamSmith", name, "jacobFugger")),
            ("on-a-wall", _wall(("cortes", "hopper", name, "brewster", "collins", "laSalle"), 2)),
        ):
            plans.append(
                Plan(
                    name=f"figure-{shown}-by-{registered}-{way}",
                    group="registered figure",
                    draw=draw,
                    prompt="A walk through a gallery of portraits",
                    registry=f"obama of {registered}",
                )
            )
    return plans


def _flagged() -> list[Plan]:
    """Lines of the frozen list that a moderator flags, two of each category, over drawn shapes.

    None about weapons: the shipped rule keeps such a clip from teens and asks nobody.
    """
    lines = [line for line in _frozen() if line["label"] == "flag" and line["category"] != "weapons"]
    categories = sorted({line["category"] for line in lines})
    languages = cycle(("en", "ar", "fr", "ary-Latn", "ary"))
    chosen: list[dict[str, str]] = []
    for category in categories:
        for language in islice(languages, 2):
            matching = [line for line in lines if (line["category"], line["language"]) == (category, language)]
            chosen.append(matching[len(chosen) % len(matching)])
    return [_worded(line, f"flagged words: {line['category']}") for line in chosen]


def _look_alikes() -> list[Plan]:
    """Benign lines of the frozen list, two or three of each language, over drawn shapes."""
    lines = [line for line in _frozen() if line["label"] == "benign"]
    chosen: list[dict[str, str]] = []
    for language in ("en", "fr", "ar", "ary", "ary-Latn", "zgh"):
        own = [line for line in lines if line["language"] == language]
        count = 2 if language in {"en", "zgh"} else 3
        chosen += own[:: len(own) // count][:count]
    return [_worded(line, "look-alike words") for line in chosen]


def _worded(line: Mapping[str, str], group: str) -> Plan:
    locale = _LOCALES.get(line["language"], line["language"])
    seed = sum(line["id"].encode())
    draw = _drawn(partial(draw_pictures, _BRIEF, still_motion.WIDTH, still_motion.HEIGHT, still_motion.FPS, seed))
    return Plan(name=line["id"], group=group, draw=draw, prompt=line["text"], locale=locale)


def _frozen() -> list[dict[str, str]]:
    with PROMPTS.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))


def _unregistered() -> Iterator[str]:
    return (name for name in of_kind("painting") if name not in _PAINTED_FIGURES)


def _over(name: str, move: Callable[[Picture, int], Iterator[Picture]]) -> Draw:
    return lambda cache: move(picture(name, cache), FRAMES)


def _faded(first: str, second: str) -> Draw:
    return lambda cache: still_motion.faded(picture(first, cache), picture(second, cache), FRAMES)


def _in_turn(*names: str) -> Draw:
    return lambda cache: still_motion.shown_in_turn([picture(name, cache) for name in names], FRAMES)


def _wall(names: Sequence[str], rows: int) -> Draw:
    return lambda cache: still_motion.wall([picture(name, cache) for name in names], FRAMES, rows)


def _drawn(draw: Callable[[], Iterator[Picture]]) -> Draw:
    return lambda _: draw()
