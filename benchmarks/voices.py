"""How well voices are told apart: errors at the lines with exact intervals, by length, noise, band and level; the cost.

Run: python benchmarks/voices.py [--readers FOLDER --strangers FOLDER]
Synthetic voices are made here. `readers` holds one folder of recordings per person, `strangers` recordings named
`<person>-...`, one a person: the excerpts of LibriSpeech (CC BY 4.0) in `audio_data/` of Resemblyzer's source
repository at 15d828e, which hold 10 readers of `test-other` and 251 of `train-clean-100`. Nothing is stored here.
"""

import argparse
import time
from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any, Final

import av
import numpy as np
import results
from numpy.typing import NDArray

from detectors.base import SOUND_RATE, Gallery, Sound, State, Subject
from detectors.figures import exact_interval
from detectors.hearing import Stretch, stretches
from detectors.likeness import Lines
from detectors.packs import load_manifest
from detectors.speakers import DIMENSION, mean_vector
from detectors.voices import Voices
from moderation.samples.speech import speak
from moderation.settings import Settings

Floats = NDArray[np.float32]
Change = Callable[[Floats], Floats]

#: Variants of eSpeak NG that sound like different people, by name.
VARIANTS: Final = ("m1", "m2", "m3", "m4", "m5", "m6", "m7", "f1", "f2", "f3", "f4", "f5")
TEXTS: Final = {
    "en": (
        "The ferry leaves the harbour at seven, and nobody has ever seen it come back empty.",
        "Please put the blue box on the second shelf, next to the window that does not close.",
        "After a long winter the gardener found three new roses under the old apple tree.",
    ),
    "fr": (
        "Le bateau quitte le port à sept heures, et personne ne l'a jamais vu revenir vide.",
        "Posez la boîte bleue sur la deuxième étagère, près de la fenêtre qui ferme mal.",
    ),
}
#: What a test recording is cut to, in seconds of speech.
LENGTHS: Final = (5.0, 3.0, 1.5)
GALLERIES: Final = (1, 10, 30, 100)
QUANTILES: Final = (1e-2, 1e-3, 1e-4)


def decode(path: Path) -> Floats:
    """Return a recording, mono 16 kHz."""
    resampler = av.AudioResampler(format="flt", layout="mono", rate=SOUND_RATE)
    with av.open(str(path)) as file:
        frames = [piece for frame in file.decode(audio=0) for piece in resampler.resample(frame)]
    return joined([*frames, *resampler.resample(None)])


def joined(frames: Sequence[Any]) -> Floats:
    """Lay decoded frames end to end."""
    return np.concatenate([frame.to_ndarray().reshape(-1) for frame in frames]).astype(np.float32)


def synthetic(text: str, voice: str, cache: Path) -> Floats:
    """Return what a voice of eSpeak NG says, mono 16 kHz."""
    said = speak(text, voice, cache)
    frame = av.AudioFrame.from_ndarray(said.samples[None], format="s16", layout="mono")
    frame.sample_rate = said.rate
    resampler = av.AudioResampler(format="flt", layout="mono", rate=SOUND_RATE)
    return joined([*resampler.resample(frame), *resampler.resample(None)])


def template(voices: Voices, samples: Floats, seconds: float | None = None) -> Floats | None:
    """Return the vector of a recording's first seconds of speech as a clip's voice gets it, None without speech."""
    speech, kept, left = stretches(voices.finder.likelihoods(samples)), [], round((seconds or 1e4) * SOUND_RATE)
    for stretch in speech:
        if left >= SOUND_RATE // 2:
            kept.append(Stretch(start=stretch.start, end=min(stretch.end, stretch.start + left)))
            left -= stretch.length
    utterances = voices.encoder.utterances(samples, kept)
    return mean_vector(np.concatenate([u.windows for u in utterances])) if utterances else None


def enrolled(voices: Voices, recordings: Sequence[Floats]) -> Floats:
    """Return the template of several recordings in one, as an operator would register it."""
    made = voices.voice_template(np.concatenate(recordings))
    assert made is not None, "too little speech"
    return made.vector


def errors(same: Sequence[float], other: Sequence[float], match: float, possible: float) -> dict[str, object]:
    """Return error counts, rates and exact 95 % intervals at both lines, and the equal error rate."""
    genuine, impostor = np.sort(same), np.sort(other)
    lines = np.unique(np.concatenate([genuine, impostor]))
    missed = 1 - np.searchsorted(genuine, lines, "right") / len(genuine)
    passed = np.searchsorted(impostor, lines, "right") / len(impostor)
    even = int(np.argmin(np.abs(missed - passed)))
    at = {
        name: {
            "line": line,
            "false_rejects": rate(int((genuine >= line).sum()), len(genuine)),
            "false_accepts": rate(int((impostor < line).sum()), len(impostor)),
        }
        for name, line in (("match", match), ("possible", possible))
    }
    return {
        "same_pairs": len(genuine),
        "different_pairs": len(impostor),
        "equal_error_rate": round(float(missed[even] + passed[even]) / 2, 4),
        "equal_error_line": round(float(lines[even]), 3),
        **at,
    }


def rate(count: int, of: int) -> dict[str, object]:
    """Return a share with its exact 95 % interval."""
    low, high = exact_interval(count, of)
    return {"count": count, "of": of, "rate": round(count / of, 5), "interval": [round(low, 5), round(high, 5)]}


def distance(a: Floats, b: Floats) -> float:
    """Return the L2 distance of two unit vectors."""
    return float(np.linalg.norm(a - b))


def measure_synthetic(voices: Voices, cache: Path) -> dict[str, object]:
    """Compare every two synthetic recordings: one variant is one speaker, within a language and across."""
    said = {
        (variant, language, index): template(voices, synthetic(text, f"{language}+{variant}", cache))
        for variant in VARIANTS
        for language, texts in TEXTS.items()
        for index, text in enumerate(texts)
    }
    heard = {key: vector for key, vector in said.items() if vector is not None}
    pairs: dict[str, tuple[list[float], list[float]]] = {"one language": ([], []), "across languages": ([], [])}
    for (a, first), (b, second) in combinations(heard.items(), 2):
        kind = pairs["one language" if a[1] == b[1] else "across languages"]
        kind[0 if a[0] == b[0] else 1].append(distance(first, second))
    lines = voices.lines
    found = {name: errors(same, other, lines.match, lines.possible) for name, (same, other) in pairs.items()}
    return {"speakers": len(VARIANTS), "recordings": len(said), "without_speech": len(said) - len(heard), **found}


CHANGES: Final[Mapping[str, Change]] = {
    "as recorded": lambda sound: sound,
    "20 dB quieter": lambda sound: sound * 0.1,
    "white noise at 20 dB": lambda sound: noisy(sound, 20),
    "white noise at 10 dB": lambda sound: noisy(sound, 10),
    "telephone band": lambda sound: banded(sound, 300, 3400),
}


def noisy(sound: Floats, decibels: float) -> Floats:
    """Add white noise so many decibels below the sound."""
    noise = np.random.default_rng(7).standard_normal(len(sound))
    level = np.sqrt(np.mean(np.square(sound, dtype=np.float64))) * 10 ** (-decibels / 20)
    return np.asarray(sound + level * noise, np.float32)


def banded(sound: Floats, low: float, high: float) -> Floats:
    """Keep a band of frequencies."""
    spectrum = np.fft.rfft(sound)
    frequencies = np.fft.rfftfreq(len(sound), 1 / SOUND_RATE)
    spectrum[(frequencies < low) | (frequencies > high)] = 0
    return np.asarray(np.fft.irfft(spectrum, len(sound)), np.float32)


def measure_readers(voices: Voices, readers: Path, strangers: Path) -> dict[str, object]:
    """Enrol each reader from three recordings; test with the others, the other readers and all strangers."""
    people = sorted(entry for entry in readers.iterdir() if entry.is_dir())
    recordings = {person.name: [decode(path) for path in sorted(person.glob("*.flac"))] for person in people}
    unknown = {path.name.split("-")[0]: decode(path) for path in sorted(strangers.glob("*.flac"))}
    templates = {name: enrolled(voices, sounds[:3]) for name, sounds in recordings.items()}
    tests = {(name, index): sound for name, sounds in recordings.items() for index, sound in enumerate(sounds[3:])}
    vectors = {name: vector for name, sound in unknown.items() if (vector := template(voices, sound, 8.0)) is not None}
    lines = voices.lines
    by_change: dict[str, object] = {}
    own: list[float] = []
    for seconds, change in [*((length, "as recorded") for length in LENGTHS), *((5.0, c) for c in list(CHANGES)[1:])]:
        probes = {key: template(voices, CHANGES[change](sound), seconds) for key, sound in tests.items()}
        heard = {key: probe for key, probe in probes.items() if probe is not None}
        same = [distance(probe, templates[name]) for (name, _), probe in heard.items()]
        other = [distance(p, t) for (name, _), p in heard.items() for n, t in templates.items() if n != name]
        own = own or same
        if change == "as recorded":
            other += [distance(vector, t) for vector in vectors.values() for t in templates.values()]
        found = errors(same, other, lines.match, lines.possible) | {"without_speech": len(probes) - len(heard)}
        by_change[f"{change}, {seconds:g} s of speech"] = found
    between = [distance(a, b) for a, b in combinations(vectors.values(), 2)]
    return {
        "readers": len(recordings),
        "strangers": len(vectors),
        "enrolled_from": "three recordings of each reader",
        "tests": by_change,
        "galleries": measure_galleries(lines, np.stack(list(vectors.values())), own),
        "strangers_with_strangers": {
            "pairs": len(between),
            "below_match": rate(sum(d < lines.match for d in between), len(between)),
            "below_possible": rate(sum(d < lines.possible for d in between), len(between)),
            "lines_by_share": {f"{share:g}": round(float(np.quantile(between, share)), 3) for share in QUANTILES},
        },
    }


def measure_galleries(lines: Lines, strangers: Floats, genuine: Sequence[float]) -> dict[str, object]:
    """Return, for galleries of strangers, how many other strangers are taken for somebody, and readers missed.

    `strangers` is float32 [n, 256], `genuine` the readers' distances to their own templates. Forty galleries are drawn
    for each size, so that the same strangers probe many times: the intervals are narrower than the truth.
    """
    found: dict[str, object] = {}
    for size in GALLERIES:
        at, nearest = lines.at(size), []
        for seed in range(40):
            order = np.random.default_rng(seed).permutation(len(strangers))
            gallery, probes = strangers[order[:size]], strangers[order[size:]]
            nearest += np.sqrt(np.maximum(0.0, 2.0 - 2.0 * probes @ gallery.T)).min(axis=1).tolist()
        found[str(size)] = {
            name: {
                "line": round(line, 3),
                "strangers_taken_for_somebody": rate(sum(d < line for d in nearest), len(nearest)),
                "readers_missed": rate(sum(d >= line for d in genuine), len(genuine)),
            }
            for name, line in (("match", at.match), ("possible", at.possible))
        }
    return found


def measure_cost(voices: Voices, cache: Path) -> dict[str, object]:
    """Return CPU seconds of ten seconds of speech with a registered voice, beyond decoding."""
    text = " ".join(TEXTS["en"])
    sound = np.tile(synthetic(text, "en+m3", cache), 2)[: 10 * SOUND_RATE]
    vectors = np.zeros((1, DIMENSION), np.float32)
    gallery = Gallery(model=voices.encoder.model.id, version="1", people=("somebody",), vectors=vectors)
    spent: dict[str, float] = {}
    for name, registered in (("no voice registered", None), ("one voice registered", gallery)):
        runs = []
        for _ in range(3):
            inspection = voices.open(Subject(duration_ms=10_000, voices=registered))
            began = time.thread_time()
            inspection.hear(Sound(start_ms=0, samples=sound))
            assert inspection.finish().signals[0].state is State.MEASURED
            runs.append(time.thread_time() - began)
        spent[name] = round(min(runs), 3)
    return {"cpu_seconds_for_10_s_of_speech": spent}


def show(figures: Mapping[str, Any]) -> None:
    """Print the errors as a table."""
    tests = {f"synthetic, {name}": figures["synthetic"][name] for name in ("one language", "across languages")}
    tests |= figures.get("readers", {}).get("tests", {})
    head = ("", "same", "different", "EER", "FRR match", "FAR match", "FRR possible", "FAR possible")
    rows = [
        (
            name,
            test["same_pairs"],
            test["different_pairs"],
            f"{test['equal_error_rate']:.2%}",
            *(
                f"{test[line][kind]['rate']:.2%}"
                for line in ("match", "possible")
                for kind in ("false_rejects", "false_accepts")
            ),
        )
        for name, test in tests.items()
    ]
    results.print_table("Voices", [head, *rows])


def main() -> None:
    """Measure and write `results/voices.json`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--readers", type=Path)
    parser.add_argument("--strangers", type=Path)
    asked = parser.parse_args()
    began = results.circumstances()
    models = Settings().models
    voices = Voices.load(load_manifest(models))
    figures: dict[str, object] = {
        "lines": {"match": voices.lines.match, "possible": voices.lines.possible},
        "synthetic": measure_synthetic(voices, models),
        **measure_cost(voices, models),
    }
    if asked.readers and asked.strangers:
        results.tell("comparing recordings of people")
        figures["readers"] = measure_readers(voices, asked.readers, asked.strangers)
    show(figures)
    results.save("voices", began, figures)


if __name__ == "__main__":
    main()
