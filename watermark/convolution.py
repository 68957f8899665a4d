"""Tail-biting convolutional code, constraint length 9, rate 1/4, with a soft Viterbi decoder. Knows only bits."""

from functools import cache

import numpy as np
from numpy.typing import NDArray

RATE = 4
_MEMORY = 8
_STATES = 1 << _MEMORY
#: Larsen, "Short convolutional codes with maximal free distance for rates 1/2, 1/3 and 1/4" (IEEE Trans. IT, 1973).
_GENERATORS = (0o463, 0o535, 0o733, 0o745)
#: Times round the circle before the start state is trusted (wrap-around Viterbi: Shao, Lin and Fossorier, 2003).
_LAPS = 3


def encode(bits: NDArray[np.int8]) -> NDArray[np.int8]:
    """Encode n >= 8 bits into 4 n bits; the register starts with the last bits, so no tail is spent."""
    register = 0
    for bit in bits[-_MEMORY:]:
        register = ((register << 1) | int(bit)) & (_STATES - 1)
    coded = np.empty(len(bits) * RATE, np.int8)
    for i, bit in enumerate(bits):
        register = ((register << 1) | int(bit)) & (2 * _STATES - 1)
        coded[i * RATE : (i + 1) * RATE] = [(register & g).bit_count() & 1 for g in _GENERATORS]
    return coded


def decode(llr: NDArray[np.float32]) -> NDArray[np.int8]:
    """Return the most likely n bits of 4 n soft values (positive means 1).

    Exact but for words whose best path does not close on itself, which a check behind the code must refuse.
    """
    steps = len(llr) // RATE
    gains = _branch_signs() @ llr.reshape(steps, RATE).T.astype(np.float32)  # [2 * states, steps]
    metric = np.zeros(_STATES, np.float32)
    choices = np.empty((_LAPS * steps, _STATES), np.bool_)
    for t in range(_LAPS * steps):
        metric, choices[t] = _advance(metric, gains[:, t % steps])
    return _trace_back(choices, int(metric.argmax()), steps)


@cache
def _branch_signs() -> NDArray[np.float32]:
    """Coded bits (as -1, 1) that leave the encoder for each register of nine bits, oldest bit on top."""
    registers = range(2 * _STATES)
    return np.array([[2 * ((r & g).bit_count() & 1) - 1 for g in _GENERATORS] for r in registers], np.float32)


def _advance(metric: NDArray[np.float32], gain: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """One trellis step: register r = (oldest bit, seven bits, new bit) ends in state r modulo 256."""
    without = np.repeat(metric[: _STATES // 2], 2) + gain[:_STATES]
    with_oldest = np.repeat(metric[_STATES // 2 :], 2) + gain[_STATES:]
    choice = with_oldest > without
    best = np.where(choice, with_oldest, without)
    return best - best.max(), choice


def _trace_back(choices: NDArray[np.bool_], state: int, steps: int) -> NDArray[np.int8]:
    """Walk back from the end and read the middle lap, where both ends of the path have settled."""
    bits = np.empty(len(choices), np.int8)
    for t in range(len(choices) - 1, -1, -1):
        bits[t] = state & 1
        state = (state >> 1) | (int(choices[t, state]) << (_MEMORY - 1))
    return bits[steps : 2 * steps]
