"""Which H.264 encoder writes a clip, and what it is told: x264 everywhere, a card's own encoder where one is.

Never takes another than was asked for without saying so. Opens no file.
"""

from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Final, Literal, get_args

import av
import av.error

Encoder = Literal["libx264", "h264_nvenc"]
#: `auto` is the card's encoder where it works, else x264; the report says which it was.
Wanted = Literal["libx264", "h264_nvenc", "auto"]
#: Slower ones of x264 than these need minutes for a clip of seconds.
PRESETS: Final[dict[Encoder, tuple[str, ...]]] = {
    "libx264": ("ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow"),
    "h264_nvenc": tuple(f"p{speed}" for speed in range(1, 8)),
}
_DEFAULT_PRESET: Final[dict[Encoder, str]] = {"libx264": "veryfast", "h264_nvenc": "p4"}
WORST_CRF: Final = 51


class EncoderMissing(Exception):
    """The encoder that was asked for does not work on this machine."""


def check(wanted: Wanted, preset: str, crf: int) -> None:
    """Raise ValueError unless an encoder of this name knows the preset and the constant rate factor."""
    if wanted not in get_args(Wanted):
        raise ValueError(f"no encoder is called {wanted}")
    known = [name for encoder, names in PRESETS.items() if wanted in {encoder, "auto"} for name in names]
    if preset not in known:
        raise ValueError(f"{wanted} has no preset {preset}: there are {', '.join(known)}")
    if not 0 <= crf <= WORST_CRF:
        raise ValueError(f"a constant rate factor is 0 to {WORST_CRF}, not {crf}")


def choose(wanted: Wanted) -> Encoder:
    """Return the encoder to use; raises EncoderMissing when the one that was named does not work here."""
    if wanted == "auto":
        return "libx264" if _fault("h264_nvenc") else "h264_nvenc"
    if wanted == "h264_nvenc" and (fault := _fault("h264_nvenc")):
        raise EncoderMissing(f"{wanted} does not work here ({fault}); libx264 does")
    return wanted


def options_for(encoder: Encoder, preset: str, crf: int, width: int) -> dict[str, str]:
    """What the encoder is told, in its own words; a preset of the other encoder becomes this one's default."""
    preset = preset if preset in PRESETS[encoder] else _DEFAULT_PRESET[encoder]
    # Closed captions ride inside the pictures; what they say was judged by nobody.
    common = {"preset": preset, "a53cc": "0"}
    if encoder == "h264_nvenc":
        # Constant quality is a variable rate without a rate; 0 would leave the quality to the encoder.
        return common | {"rc": "vbr", "cq": str(max(crf, 1)), "b": "0"}
    return common | {"crf": str(crf)} | _instruction_limit(width)


@cache
def _fault(encoder: Encoder) -> str | None:
    """Why the encoder does not work, seen by using it; None when it does."""
    try:
        context = av.CodecContext.create(encoder, "w")
        context.width, context.height, context.pix_fmt, context.time_base = 320, 240, "yuv420p", Fraction(1, 30)
        packets = [*context.encode(av.VideoFrame(320, 240, "yuv420p")), *context.encode(None)]
    except (av.error.FFmpegError, OSError, ValueError) as error:
        return str(error).partition(":")[0]
    return None if packets else "it gives nothing"


def _instruction_limit(width: int) -> dict[str, str]:
    """Keep x264 from its AVX-512 code where that reads beyond its rows.

    Its macroblock tree (core 165) does so when a row's macroblocks are not a multiple of 8; the output then depends
    on what memory happened to hold. At other widths both give the same bytes.
    """
    if -(-width // 16) % 8 == 0 or not _has_avx512():
        return {}
    return {"x264-params": "asm=avx2,fma3,bmi1,bmi2,lzcnt"}


@cache
def _has_avx512() -> bool:
    try:
        return "avx512f" in Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return False
