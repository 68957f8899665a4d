"""Draws shares as bars, as an SVG that reads on light and dark pages alike. Knows no records."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from textwrap import wrap
from typing import Final

_WIDTH, _ROW, _TOP = 800, 30, 48
#: Where bars begin and how long a whole one is.
_LEFT, _FULL = 320, 350
#: A line below the title, in pixels and in letters.
_LINE, _LETTERS = 20, 100
_STYLE: Final = (
    "text{font:14px system-ui,sans-serif;fill:#1f2328}.ground{fill:#d0d7de}.bar{fill:#0969da}"
    ".line{stroke:#1f2328;stroke-width:2}.title{font-weight:600}"
    "@media(prefers-color-scheme:dark){text{fill:#e6edf3}.ground{fill:#30363d}.bar{fill:#4493f8}.line{stroke:#e6edf3}}"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """A share between 0 and 1, what it is of, how it was counted, and where it should be."""

    label: str
    share: float
    count: str
    target: float | None


def draw_chart(title: str, bars: Sequence[Bar], said: str = "") -> str:
    """Return an SVG with a bar for each share and a line across it for the target; what is said stands on top."""
    lines = wrap(said, _LETTERS)
    top = _TOP + _LINE * len(lines)
    height = top + _ROW * len(bars) + 12
    rows = "\n".join(_row(bar, top + _ROW * number) for number, bar in enumerate(bars))
    below = "".join(
        f'<text x="12" y="{_TOP + _LINE * number}">{escape(line)}</text>\n' for number, line in enumerate(lines)
    )
    told = escape("; ".join(f"{bar.label}: {bar.count}" for bar in bars))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img">\n'
        f"<title>{escape(title)}</title>\n<desc>{told}</desc>\n<style>{_STYLE}</style>\n"
        f'<text x="12" y="26" class="title">{escape(title)}</text>\n{below}{rows}\n</svg>\n'
    )


def _row(bar: Bar, top: int) -> str:
    target = ""
    if bar.target is not None:
        at = _LEFT + bar.target * _FULL
        target = f'<line class="line" x1="{at:g}" x2="{at:g}" y1="{top - 2}" y2="{top + 20}"/>'
    return (
        f'<text x="{_LEFT - 12}" y="{top + 14}" text-anchor="end">{escape(bar.label)}</text>'
        f'<rect class="ground" x="{_LEFT}" y="{top}" width="{_FULL}" height="18" rx="3"/>'
        f'<rect class="bar" x="{_LEFT}" y="{top}" width="{bar.share * _FULL:.1f}" height="18" rx="3"/>'
        f'{target}<text x="{_LEFT + _FULL + 12}" y="{top + 14}">{escape(bar.count)}</text>'
    )
