"""What happens to clips in the wild: a copy encoded again by somebody else's program, without our manifest."""

from pathlib import Path

import av


def encode_again(source: Path, target: Path, *, crf: int) -> Path:
    """Encode the pictures of a file of ours again (H.264 at `crf`), sound left out; returns `target`.

    For files this service released itself; unknown files belong behind the sandbox.
    """
    with av.open(str(source)) as original, av.open(str(target), "w") as copy:
        pictures = original.streams.video[0]
        stream = copy.add_stream("libx264", rate=pictures.average_rate)
        stream.width, stream.height, stream.pix_fmt = pictures.width, pictures.height, "yuv420p"
        stream.options = {"crf": str(crf), "preset": "veryfast"}
        for frame in original.decode(pictures):
            frame.pict_type = av.video.frame.PictureType.NONE
            copy.mux(stream.encode(frame))
        copy.mux(stream.encode(None))
    return target
