"""Detectors of other kinds over HTTP: a model server, a vendor's API. What does not answer in full is no answer.

Frames leave this process: an operator names each address, and nothing is sent anywhere else.
"""

import base64
import hashlib
import json
import math
import os
import re
import threading
import time
import tomllib
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import cv2
import httpx

from detectors.base import (
    DetectorError,
    DetectorUnavailable,
    Findings,
    Frame,
    Model,
    Sample,
    Signal,
    State,
    Subject,
    quantise,
)
from detectors.probes import drawn_rings

PREFIX: Final = "remote."
FORMAT: Final = 1
_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,63}")
_SIGNAL: Final = re.compile(r"remote\.[a-z][a-z0-9_]{0,63}")
_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})
_JPEG_QUALITY: Final = 90
_MAX_ANSWER_BYTES: Final = 1 << 20
#: What is tried a second time: nothing was looked at, or the server says that it is only for now.
_FOR_NOW: Final = frozenset({429, 502, 503, 504})
#: What one clip's frames may be at fault for; every other refusal concerns everybody.
_FAULT_OF_THE_CLIP: Final = frozenset({400, 413, 415, 422})
_ATTEMPTS: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Remote:
    """One address and what is agreed with it."""

    name: str
    url: str
    #: Which model must answer; another one is refused, for its numbers would pass for the agreed one's.
    model: str
    version: str
    #: Signal to the score of the answer that it is.
    signals: Mapping[str, str]
    #: Name of the environment variable with the bearer token; empty sends none.
    token_env: str = ""
    frames_per_call: int = 16
    calls_at_once: int = 4
    #: All attempts of one call together.
    seconds_per_call: float = 20.0
    #: Frames are shrunk to this before they are sent.
    long_side: int = 640
    #: Whether prompt and title are sent along.
    texts: bool = False
    #: What it says of the built-in probe picture, by score, and how far it may be off; none is compared when empty.
    #: One of them at least is further from nought than that.
    probe: Mapping[str, float] = field(default_factory=dict)
    probe_tolerance: float = 0.05

    def __post_init__(self) -> None:
        """Refuse what cannot be meant. Raises ValueError."""
        parts = urlsplit(self.url)
        if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
            raise ValueError(f"{self.name}: frames are sent over https only, or within this machine")
        if not _NAME.fullmatch(self.name) or not self.signals or not all(map(_SIGNAL.fullmatch, self.signals)):
            raise ValueError(f"{self.name}: a name and signals of the form {PREFIX}something are needed")
        if not (0 < self.frames_per_call <= 256 and 0 < self.calls_at_once <= 256 and 0 < self.seconds_per_call <= 120):
            raise ValueError(f"{self.name}: calls must be bounded")
        if not 32 <= self.long_side <= 4096:
            raise ValueError(f"{self.name}: {self.long_side} is no size of a frame")
        if not (0 < self.probe_tolerance < 1 and all(0 <= expected <= 1 for expected in self.probe.values())):
            raise ValueError(f"{self.name}: a probe that any answer passes is none")
        if self.probe and not any(expected > self.probe_tolerance for expected in self.probe.values()):
            raise ValueError(f"{self.name}: a server that always says nought would pass its probe")


def read_remotes(path: Path) -> tuple[Remote, ...]:
    """Read the file of remote detectors. Raises DetectorUnavailable, saying why, for one that cannot be used."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
        remotes = tuple(Remote(**fields) for fields in table["detectors"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DetectorUnavailable(f"{path} cannot be used: {error}") from error
    return remotes


def digest_of(remotes: Sequence[Remote]) -> str:
    """Return the SHA-256 (hex) of all that is agreed; tokens are not part of it."""
    return hashlib.sha256(json.dumps([asdict(remote) for remote in remotes], sort_keys=True).encode()).hexdigest()


class RemoteDetector:
    """Asks one address about every frame; fails closed on anything but a whole, well-formed, timely answer."""

    def __init__(self, remote: Remote, *, transport: httpx.BaseTransport | None = None) -> None:
        self.remote = remote
        self.name = remote.name
        self.signals: tuple[str, ...] = tuple(remote.signals)
        self.model = Model(id=remote.model, version=remote.version)
        self._client = httpx.Client(follow_redirects=False, transport=transport, headers=_headers(remote))
        self._slots = threading.BoundedSemaphore(remote.calls_at_once)

    def open(self, subject: Subject) -> "RemoteInspection":
        return RemoteInspection(self, subject)

    def self_check(self) -> None:
        """Ask about the probe picture. Raises DetectorUnavailable when the answer is none, or another than agreed."""
        probe = Frame(index=0, time_ms=0, pixels=drawn_rings(360, 640))
        try:
            (scores,) = self.ask([_encoded(probe, self.remote.long_side)], {})
        except DetectorUnavailable:
            raise
        except DetectorError as error:
            raise DetectorUnavailable(f"{self.name} cannot look at its probe: {error}") from error
        for score, expected in self.remote.probe.items():
            if abs(scores.get(score, math.inf) - expected) > self.remote.probe_tolerance:
                raise DetectorUnavailable(f"{self.name} scores its probe {scores.get(score)}, not {expected}")

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def ask(self, frames: Sequence[Mapping[str, object]], texts: Mapping[str, str]) -> list[dict[str, float]]:
        """Return the scores of each frame, in order.

        Raises DetectorError when the server refuses these frames, DetectorUnavailable for everything else.
        """
        answer = self._answered({"format": FORMAT, "frames": list(frames), "texts": dict(texts)})
        try:
            return _scores(answer, self.remote, [frame["time_ms"] for frame in frames])
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise DetectorUnavailable(f"{self.name} gave an answer that cannot be used: {error}") from error

    def _answered(self, question: object) -> bytes:
        """Put a question from a thread of its own and wait no longer than a call may take.

        No time limit of the client covers a name that does not resolve or headers that trickle. A call that does not
        end keeps its slot, so that at most `calls_at_once` of them are ever left behind.
        """
        deadline = time.monotonic() + self.remote.seconds_per_call
        if not self._slots.acquire(timeout=self.remote.seconds_per_call):
            raise DetectorUnavailable(f"{self.name}: {self.remote.calls_at_once} calls are under way and none ends")
        answer: Future[bytes] = Future()
        threading.Thread(target=self._carry_out, args=(question, deadline, answer), daemon=True).start()
        try:
            return answer.result(timeout=max(0.0, deadline - time.monotonic()))
        except TimeoutError as error:
            raise DetectorUnavailable(f"{self.name} did not answer in {self.remote.seconds_per_call} s") from error

    def _carry_out(self, question: object, deadline: float, answer: "Future[bytes]") -> None:
        try:
            answer.set_result(self._posted(question, deadline))
        except Exception as error:  # noqa: BLE001 (whoever waits is told, whatever it is)
            answer.set_exception(error)
        finally:
            self._slots.release()

    def _posted(self, question: object, deadline: float) -> bytes:
        for attempt in range(_ATTEMPTS):
            left = deadline - time.monotonic()
            if left <= 0:
                raise DetectorUnavailable(f"{self.name} did not answer in {self.remote.seconds_per_call} s")
            try:
                status, body = self._exchanged(question, left, deadline)
            except httpx.HTTPError as error:
                if attempt + 1 == _ATTEMPTS:
                    raise DetectorUnavailable(f"{self.name} cannot be reached: {type(error).__name__}") from error
                continue
            if status == httpx.codes.OK:
                return body
            if status in _FAULT_OF_THE_CLIP:
                raise DetectorError(f"{self.name} refused these frames with {status}")
            if status not in _FOR_NOW:
                break
        raise DetectorUnavailable(f"{self.name} answered with {status}")

    def _exchanged(self, question: object, seconds: float, deadline: float) -> tuple[int, bytes]:
        """Make one exchange; bounds the answer's size and the time until its last byte."""
        body = bytearray()
        with self._client.stream("POST", self.remote.url, json=question, timeout=seconds) as response:
            for chunk in response.iter_bytes():
                body += chunk
                if len(body) > _MAX_ANSWER_BYTES:
                    raise DetectorUnavailable(f"{self.name} answers with more than {_MAX_ANSWER_BYTES} bytes")
                if time.monotonic() > deadline:
                    raise DetectorUnavailable(f"{self.name} did not answer in {self.remote.seconds_per_call} s")
            return response.status_code, bytes(body)


@dataclass(slots=True)
class RemoteInspection:
    """One clip's frames on their way there and back."""

    detector: RemoteDetector
    subject: Subject
    _waiting: list[dict[str, object]] = field(default_factory=list)
    _samples: dict[str, list[Sample]] = field(default_factory=dict)
    _seen: int = 0

    def see(self, frames: Sequence[Frame]) -> None:
        """Send the frames, a call's worth at a time. Raises what `ask` raises."""
        for frame in frames:
            self._waiting.append(_encoded(frame, self.detector.remote.long_side))
            if len(self._waiting) == self.detector.remote.frames_per_call:
                self._send()

    def finish(self) -> Findings:
        """Send what is left and conclude; with no frame every signal failed, for nothing was looked at."""
        if self._waiting:
            self._send()
        return Findings(signals=tuple(self._signal(name) for name in self.detector.signals))

    def _send(self) -> None:
        remote = self.detector.remote
        answers = self.detector.ask(self._waiting, self.subject.texts if remote.texts else {})
        for frame, scores in zip(self._waiting, answers, strict=True):
            for signal, score in remote.signals.items():
                sample = Sample(time_ms=int(str(frame["time_ms"])), value=quantise(scores[score]))
                self._samples.setdefault(signal, []).append(sample)
        self._seen += len(self._waiting)
        self._waiting.clear()

    def _signal(self, name: str) -> Signal:
        if not self._seen:
            return Signal(name=name, state=State.FAILED, model=self.detector.model, note="no frame was shown")
        samples = tuple(self._samples[name])
        return Signal(name=name, state=State.MEASURED, model=self.detector.model, samples=samples)


def _headers(remote: Remote) -> dict[str, str]:
    if not remote.token_env:
        return {}
    token = os.environ.get(remote.token_env, "")
    if not token:
        raise DetectorUnavailable(f"{remote.name}: the environment has no {remote.token_env}")
    return {"Authorization": f"Bearer {token}"}


def _encoded(frame: Frame, long_side: int) -> dict[str, object]:
    """Return a frame as it is sent: its time and a JPEG of at most `long_side` pixels, in base64."""
    pixels = frame.pixels
    scale = long_side / max(pixels.shape[:2])
    if scale < 1:
        size = (max(1, round(pixels.shape[1] * scale)), max(1, round(pixels.shape[0] * scale)))
        pixels = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)  # type: ignore[assignment]
    done, jpeg = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    if not done:
        raise DetectorError("the frame could not be prepared: no JPEG encoder")
    return {"time_ms": frame.time_ms, "jpeg": base64.b64encode(jpeg.tobytes()).decode("ascii")}


def _scores(answer: bytes, remote: Remote, times: Sequence[object]) -> list[dict[str, float]]:
    """Read an answer. Raises ValueError (or a kin) unless the agreed model scored exactly the frames asked about."""
    document: dict[str, Any] = json.loads(answer)
    model = document["model"]
    if (model["id"], model["version"]) != (remote.model, remote.version):
        raise ValueError(f"{model} is not {remote.model} {remote.version}, which was agreed")
    frames = document["frames"]
    if [frame["time_ms"] for frame in frames] != list(times):
        raise ValueError("not the frames that were asked about")
    return [{score: _unit(frame["scores"][score]) for score in remote.signals.values()} for frame in frames]


def _unit(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise ValueError(f"{value!r} is no score between 0 and 1")
    return float(value)
