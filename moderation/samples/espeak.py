"""A program of its own: text on stdin, spoken samples on stdout. The only place that loads eSpeak NG's library.

`speech.py` starts it in a child process, so that nothing of the GPL-licensed library is ever part of the service.
Usage: python espeak.py LIBRARY LANGUAGE, in the folder that holds `espeak-ng-data`.
"""

import ctypes
import sys
from typing import Final

# The names are those of espeak-ng/speak_lib.h, version 1.52.
_AUDIO_OUTPUT_RETRIEVAL: Final = 1
_INITIALIZE_DONT_EXIT: Final = 0x8000
_POS_CHARACTER: Final = 1
_CHARS_UTF8: Final = 1
_SYNTH_CALLBACK: Final = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p)


def speak(library: str, language: str, text: str) -> tuple[bytes, int]:
    """Return mono int16 samples in this machine's byte order, and their rate. Raises OSError when it cannot speak."""
    espeak = ctypes.CDLL(library)
    heard: list[bytes] = []

    def hear(samples: int | None, count: int, _events: int | None) -> int:
        if samples and count > 0:
            heard.append(ctypes.string_at(samples, 2 * count))
        return 0

    callback = _SYNTH_CALLBACK(hear)
    # "." and not a full path: the library keeps only 160 characters of it.
    rate = espeak.espeak_Initialize(_AUDIO_OUTPUT_RETRIEVAL, 0, b".", _INITIALIZE_DONT_EXIT)
    if rate <= 0:
        raise OSError(f"eSpeak NG does not start: {rate}")
    espeak.espeak_SetSynthCallback(callback)
    if error := espeak.espeak_SetVoiceByName(language.encode()):
        raise OSError(f"eSpeak NG has no voice for {language!r}: {error}")
    words = text.encode() + b"\0"
    if error := espeak.espeak_Synth(words, ctypes.c_size_t(len(words)), 0, _POS_CHARACTER, 0, _CHARS_UTF8, None, None):
        raise OSError(f"eSpeak NG cannot speak: {error}")
    espeak.espeak_Synchronize()
    return b"".join(heard), rate


if __name__ == "__main__":
    spoken, sample_rate = speak(sys.argv[1], sys.argv[2], sys.stdin.buffer.read().decode())
    sys.stdout.buffer.write(sample_rate.to_bytes(4, "little") + spoken)
