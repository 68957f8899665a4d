"""The bare transcode that the marking pass is compared with: decode, encode as we do, copy the sound, nothing else."""

from pathlib import Path
from typing import Any

import av

from watermark.writing import Encoding


def transcode(source: Path, target: Path, encoding: Encoding) -> None:
    """Encode the pictures of our own test clip again with x264; the sound is copied, no mark is put on."""
    with (
        av.open(str(source)) as incoming,
        av.open(str(target), "w", container_options={"movflags": "+faststart"}) as outgoing,
    ):
        pictures = incoming.streams.video[0]
        pictures.codec_context.thread_count = encoding.threads
        pictures.thread_type = "AUTO"
        video = outgoing.add_stream("libx264", rate=pictures.average_rate)
        video.width, video.height, video.pix_fmt = pictures.width, pictures.height, "yuv420p"
        video.options = {"preset": encoding.preset, "crf": str(encoding.crf)}
        video.codec_context.thread_count = encoding.threads
        video.codec_context.thread_type = "FRAME"
        sounds = incoming.streams.audio
        copies = {sound.index: outgoing.add_stream_from_template(sound) for sound in sounds[:1]}
        for packet in incoming.demux():
            if packet.stream is pictures:
                # The stubs let a picture track give sound.
                frames: list[Any] = list(packet.decode())
                for frame in frames:
                    frame.pict_type = av.video.frame.PictureType.NONE
                    outgoing.mux(video.encode(frame))
            elif packet.stream.index in copies and packet.dts is not None:
                packet.stream = copies[packet.stream.index]
                outgoing.mux(packet)
        outgoing.mux(video.encode(None))
