"""The script one would glue together instead: every part as its own documentation shows it, one pass after another.

YuNet, dlib's network and open_nsfw on the same sampled frames, then a transcode with the words drawn in; signing is
one call of the C2PA library, as in the service. It judges nothing, follows no face, reads no age, keeps no record and
proves nothing. `invisible-watermark` is not installed (it brings torch), so the script puts on no invisible mark;
OpenCV draws the words, not Pillow.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from watermark.writing import Encoding

#: What such scripts use: three frames a second, whatever the clip shows.
FPS: Final = 3.0
WORDS: Final = "AI-generated  Countersign  maya"
_NSFW_MEAN: Final = np.array([104, 117, 123], np.float32)
_CHIP: Final = 150
_NSFW_SIDE, _NSFW_CROP = 256, 224

Picture = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Models:
    """The three networks, loaded with their libraries' defaults."""

    faces: Any
    embedder: Any
    nsfw: Any

    @classmethod
    def load(cls, pack: Path) -> "Models":
        import onnxruntime

        return cls(
            cv2.FaceDetectorYN.create(str(pack / "face_detection_yunet.onnx"), "", (320, 320)),
            onnxruntime.InferenceSession(str(pack / "dlib_face_recognition.onnx")),
            onnxruntime.InferenceSession(str(pack / "open_nsfw.onnx")),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What the script saw: for a check that it did look."""

    frames: int
    faces: int
    explicit: float


def look(source: Path, models: Models, fps: float) -> Seen:
    """Run the three networks over the frames of a clip at `fps`."""
    capture = cv2.VideoCapture(str(source))
    step = max(1, round(capture.get(cv2.CAP_PROP_FPS) / fps))
    number = frames = faces = 0
    explicit = 0.0
    while True:
        more, picture = capture.read()
        if not more:
            break
        if number % step == 0:
            frames += 1
            shown = np.asarray(picture, np.uint8)
            faces += _embed_faces(models, shown)
            explicit = max(explicit, _score(models, shown))
        number += 1
    capture.release()
    return Seen(frames=frames, faces=faces, explicit=round(explicit, 4))


def transcode_with_words(source: Path, target: Path, encoding: Encoding) -> None:
    """Encode the clip again with words drawn into every picture, by way of BGR, the sound copied."""
    with av.open(str(source)) as incoming, av.open(str(target), "w") as outgoing:
        pictures = incoming.streams.video[0]
        pictures.thread_type = "AUTO"
        video = outgoing.add_stream("libx264", rate=pictures.average_rate)
        video.width, video.height, video.pix_fmt = pictures.width, pictures.height, "yuv420p"
        video.options = {"preset": encoding.preset, "crf": str(encoding.crf)}
        video.codec_context.thread_count = encoding.threads
        sound = outgoing.add_stream_from_template(incoming.streams.audio[0])
        for packet in incoming.demux():
            if packet.stream is pictures:
                # The stubs let a picture track give sound.
                frames: list[Any] = list(packet.decode())
                for frame in frames:
                    outgoing.mux(video.encode(_worded(frame)))
            elif packet.dts is not None:
                packet.stream = sound
                outgoing.mux(packet)
        outgoing.mux(video.encode(None))


def _embed_faces(models: Models, picture: Picture) -> int:
    models.faces.setInputSize((picture.shape[1], picture.shape[0]))
    _, found = models.faces.detect(picture)
    for face in () if found is None else found:
        left, top, width, height = (int(value) for value in face[:4])
        crop = picture[max(0, top) : top + height, max(0, left) : left + width]
        chip = cv2.resize(crop, (_CHIP, _CHIP))[..., ::-1].astype(np.float32).transpose(2, 0, 1)[None]
        models.embedder.run(None, {models.embedder.get_inputs()[0].name: np.ascontiguousarray(chip)})
    return 0 if found is None else len(found)


def _score(models: Models, picture: Picture) -> float:
    margin = (_NSFW_SIDE - _NSFW_CROP) // 2
    small = cv2.resize(picture, (_NSFW_SIDE, _NSFW_SIDE))[margin:-margin, margin:-margin].astype(np.float32)
    (answer,) = models.nsfw.run(None, {models.nsfw.get_inputs()[0].name: (small - _NSFW_MEAN)[None]})
    return float(answer[0, 1])


def _worded(frame: av.VideoFrame) -> av.VideoFrame:
    picture = frame.to_ndarray(format="bgr24")
    place = (round(picture.shape[1] * 0.03), round(picture.shape[0] * 0.95))
    cv2.putText(picture, WORDS, place, cv2.FONT_HERSHEY_SIMPLEX, 1.2, (255, 255, 255), 2, cv2.LINE_AA)
    worded = av.VideoFrame.from_ndarray(picture, format="bgr24")
    worded.pts, worded.time_base = frame.pts, frame.time_base
    return worded
