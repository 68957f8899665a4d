"""Carries the sound track of one file into another: copied bit for bit where MP4 can hold it, else made AAC.

Must not touch pictures.
"""

from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import av

from watermark.limits import VideoLimits
from watermark.probing import probe
from watermark.sources import Source, open_source, refusing
from watermark.writing import AudioFate

#: Sound that players expect in MP4.
COPIED: Final = frozenset({"aac", "mp3", "opus"})
#: MP3 below this rate has no place in MP4 (MPEG-2.5 is outside ISO/IEC 14496-3).
_LOWEST_MP3_RATE: Final = 16_000
_AAC_RATES: Final = frozenset({8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000})
_AAC_BITS_PER_CHANNEL: Final = 96_000


def write_sound(source: Path, target: Path, limits: VideoLimits) -> bool:
    """Write the sound track of `source` alone to `target` as MP4, on the clip's time axis; False when it has none.

    Raises VideoRefused.
    """
    described = probe(source, limits)
    if described.audio is None:
        return False
    with open_source(source, limits, threads=1) as opened, av.open(str(target.absolute()), "w", "mp4") as output:
        carrier = SoundCarrier(opened, output, described.origin)
        packets = opened.handle.demux(opened.audio)
        while True:
            with refusing():
                packet = next(packets, None)
            if packet is None:
                break
            carrier.take(packet)
        carrier.finish()
    return True


class SoundCarrier:
    """Takes the packets of `source.audio` and puts them into `output`, moved so that `origin` seconds become zero.

    Of what an edit list hides only the packet before the first heard one is kept, which decoders need to
    start; players do not play it. What the edit list cut away must not travel on, judged by nobody.
    """

    def __init__(self, source: Source, output: Any, origin: Fraction) -> None:
        self._output = output
        self._stream: Any = None
        self._hidden: Any = None
        self.fate: AudioFate = "none"
        if source.audio is None:
            return
        self._base: Fraction = source.audio.time_base
        self._shift = round(origin / self._base)
        if _can_be_copied(source.audio.codec_context):
            self.fate = "kept"
            self._stream = output.add_stream_from_template(source.audio)
        else:
            self.fate = "transcoded"
            self._stream = _add_aac(output, source.audio.codec_context)
        self._stream.metadata.clear()

    def take(self, packet: Any) -> None:
        """Carry one packet over; raises VideoRefused when it cannot be read."""
        if self.fate == "transcoded":
            self._transcode(packet)
        elif packet.is_discard:
            self._hidden = packet
        elif packet.size and packet.dts is not None:
            if self._hidden is not None:
                self._copy(self._hidden)
                self._hidden = None
            self._copy(packet)

    def finish(self) -> None:
        """Write what a transcoder still holds."""
        if self.fate == "transcoded":
            self._output.mux(self._stream.encode(None))

    def _copy(self, packet: Any) -> None:
        packet.pts = None if packet.pts is None else packet.pts - self._shift
        packet.dts = None if packet.dts is None else packet.dts - self._shift
        packet.stream = self._stream
        self._output.mux(packet)

    def _transcode(self, packet: Any) -> None:
        with refusing():
            frames = packet.decode()
        for frame in frames:
            if frame.pts is not None:
                frame.pts -= self._shift
            self._output.mux(self._stream.encode(frame))


def _can_be_copied(context: Any) -> bool:
    codec = context.codec.canonical_name
    if codec == "aac":
        # Without its configuration record (as in AVI) AAC cannot be put into MP4.
        return bool(context.extradata)
    return codec in COPIED and (codec != "mp3" or context.sample_rate >= _LOWEST_MP3_RATE)


def _add_aac(output: Any, context: Any) -> Any:
    rate = context.sample_rate if context.sample_rate in _AAC_RATES else 48_000
    channels = 1 if context.layout.nb_channels == 1 else 2
    stream = output.add_stream("aac", rate=rate)
    stream.codec_context.layout = "mono" if channels == 1 else "stereo"
    stream.codec_context.bit_rate = _AAC_BITS_PER_CHANNEL * channels
    return stream
