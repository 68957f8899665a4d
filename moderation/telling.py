"""What was found in a copy, in plain sentences of the reader's language. Says nothing that the answer does not hold."""

from collections.abc import Mapping
from typing import cast

from moderation.messages import say

#: Reasons for which a layer was not looked at that have words of their own.
_REASONS = frozenset({"budget", "still"})
#: Layers with words of their own; those that a deployment added are named as they are.
_LAYERS = ("c2pa", "invisible", "fingerprint", "visible")


def tell(answer: Mapping[str, object], language: str) -> str:
    """Say in a sentence or two where a copy came from; `answer` is that of `verify_file`."""
    sentences = [say(f"verify.origin.{answer['origin']}", answer, language)]
    layers = cast("Mapping[str, Mapping[str, object]]", answer["layers"])
    if any(layer["state"] == "transplanted" for layer in layers.values()):
        sentences.append(say("verify.transplanted", {}, language))
    elif layers["fingerprint"].get("extent") == "part":
        sentences.append(say("verify.part", {}, language))
    if any(layer.get("reason") == "budget" for layer in layers.values()):
        sentences.append(say("verify.budget", {}, language))
    if answer.get("consent_state") == "revoked":
        sentences.append(say("verify.revoked", {}, language))
    return " ".join(sentences)


def tell_layers(answer: Mapping[str, object], language: str) -> list[tuple[str, str]]:
    """Say of each layer its name and what was found, in the order in which they are looked for."""
    layers = cast("Mapping[str, Mapping[str, object]]", answer["layers"])
    return [(_name(name, language), _finding(layers[name], language)) for name in told_order(layers)]


def told_order(layers: Mapping[str, object]) -> list[str]:
    """The order in which layers are looked for and told."""
    return [*(name for name in _LAYERS if name in layers), *(name for name in layers if name not in _LAYERS)]


def _name(name: str, language: str) -> str:
    return say(f"verify.layer.{name}", {}, language) if name in _LAYERS else name


def _finding(layer: Mapping[str, object], language: str) -> str:
    state, reason = str(layer["state"]), layer.get("reason")
    return say(f"verify.state.{state}.{reason}" if reason in _REASONS else f"verify.state.{state}", {}, language)
