"""What the GPU pack's networks cost on a card: frames a second against its own matrix product, clips a second.

Random weights in the real architectures: speed does not depend on their values, and nothing is downloaded. Says
nothing of how well anything is seen. Needs the extra `torch`; without a card it says so and measures nothing, unless
`--device cpu --tiny` is asked for, which only shows that it runs.
"""

import argparse
import statistics
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from results import circumstances, print_table, save, tell

from detectors.base import DetectorUnavailable
from detectors.gpu.batching import Batcher, OutOfMemory
from detectors.gpu.pictures import Preparation
from detectors.gpu.torch_runtime import Execution, Precision, TorchNetwork, require_torch_device, torch_module
from detectors.runtime import Device

BATCHES: Final = (1, 8, 32, 64, 128, 256)
HALF: Final = (0.5, 0.5, 0.5)
#: A clip of ten seconds at three looks a second.
FRAMES_OF_A_CLIP: Final = 30
SECONDS_OF_A_FIGURE: Final = 1.0
_BICUBIC: Final = 3

Forward = Callable[[Any, Any], Any]
Line = dict[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A network to be measured: `build` makes it anew with random weights."""

    name: str
    side: int
    build: Callable[[], Any]
    forward: Forward


def _logits(module: Any, pixels: Any) -> Any:
    return module(pixel_values=pixels).logits.float().softmax(-1)


def _rows(module: Any, pixels: Any) -> Any:
    return module(pixels).float()


def subjects(*, tiny: bool) -> tuple[Subject, ...]:
    """The pack's architectures, or one of two layers for a look at the code path."""
    torch_module()
    import open_clip
    import timm
    from transformers import SiglipConfig, SiglipForImageClassification, ViTConfig, ViTForImageClassification

    if tiny:
        small = ViTConfig(image_size=32, patch_size=8, hidden_size=32, num_hidden_layers=2, num_attention_heads=2)
        return (Subject(name="tiny", side=32, build=lambda: ViTForImageClassification(small), forward=_logits),)

    def siglip() -> Any:
        return SiglipForImageClassification(SiglipConfig(num_labels=5))

    def scenes() -> Any:
        return open_clip.create_model("ViT-B-16-SigLIP2", pretrained=None, load_weights=False).visual

    return (
        Subject(
            name="freepik_nsfw",
            side=448,
            build=lambda: timm.create_model("eva02_base_patch14_448", num_classes=4),
            forward=_rows,
        ),
        Subject(
            name="marqo_nsfw",
            side=384,
            build=lambda: timm.create_model("vit_tiny_patch16_384", num_classes=2),
            forward=_rows,
        ),
        Subject(name="age_vit", side=224, build=lambda: ViTForImageClassification(ViTConfig()), forward=_logits),
        Subject(name="age_siglip2", side=224, build=siglip, forward=_logits),
        Subject(name="siglip2_scenes", side=224, build=scenes, forward=_rows),
    )


def ceiling(device: Device, *, tiny: bool) -> dict[str, float]:
    """Return the card's own matrix product in TFLOP/s by precision: the best of several, squares of 8192."""
    torch = torch_module()
    side = 256 if tiny else 8192
    found = {}
    for name, dtype in (("fp32", torch.float32), ("fp16", torch.float16), ("bf16", torch.bfloat16)):
        a, b = (torch.randn(side, side, device=device, dtype=dtype) for _ in range(2))
        times = [_timed(partial(torch.matmul, a, b), device) for _ in range(12)]
        found[name] = 2 * side**3 / min(times[2:]) / 1e12
    return found


def _timed(act: Callable[[], Any], device: Device) -> float:
    torch = torch_module()
    if device == "cuda":
        torch.cuda.synchronize()
    started = time.perf_counter()
    act()
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - started


def flops_of(subject: Subject) -> float:
    """Floating point operations of one frame, as torch counts them."""
    torch = torch_module()
    from torch.utils.flop_counter import FlopCounterMode

    module = subject.build().eval()
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        subject.forward(module, torch.zeros(1, 3, subject.side, subject.side))
    return float(counter.get_total_flops())


def network_of(
    subject: Subject, device: Device, precision: Precision, execution: Execution, **more: Any
) -> TorchNetwork:
    """Build one and put it on the device, as the pack does."""
    return TorchNetwork(
        subject.build(),
        subject.forward,
        mean=HALF,
        std=HALF,
        device=device,
        precision=precision,
        execution=execution,
        **more,
    )


def speed(network: TorchNetwork, subject: Subject, batch: int) -> float:
    """Return frames a second of whole calls: uint8 in the host's memory to float32 rows there. Raises OutOfMemory."""
    shown = np.random.default_rng(0).integers(0, 256, (batch, 3, subject.side, subject.side), dtype=np.uint8)
    for _ in range(3):
        network(shown)
    times: list[float] = []
    until = time.perf_counter() + SECONDS_OF_A_FIGURE
    while time.perf_counter() < until or len(times) < 3:
        times.append(_timed(lambda: network(shown), network.device))
    return batch / statistics.median(times)


def variants(device: Device) -> Iterator[tuple[Precision, Execution, bool]]:
    """What is compared: precision, way of running, channels-last or not."""
    if device == "cpu":
        yield "fp32", "eager", True
        return
    yield from (("fp32", "eager", True), ("bf16", "eager", True))
    yield from (("fp16", "eager", True), ("fp16", "eager", False), ("fp16", "graph", True), ("fp16", "compile", True))


def measure(subject: Subject, device: Device, peak: dict[str, float], batches: Iterable[int]) -> list[Line]:
    """Measure one network in every variant and size; a size that does not fit says so."""
    flops = flops_of(subject)
    lines: list[Line] = []
    for precision, execution, channels_last in variants(device):
        tell(f"{subject.name}: {precision} {execution}{'' if channels_last else ' channels first'}")
        network = network_of(subject, device, precision, execution, channels_last=channels_last)
        for batch in batches:
            line: Line = {"network": subject.name, "precision": precision, "execution": execution, "batch": batch}
            line["channels_last"] = channels_last
            try:
                frames = speed(network, subject, batch)
            except OutOfMemory:
                lines.append({**line, "frames_per_second": None, "note": "no room"})
                break
            done = frames * flops / 1e12
            share = done / peak[precision]
            lines.append(
                {**line, "frames_per_second": round(frames, 1), "tflops": round(done, 3), "of_ceiling": round(share, 3)}
            )
        del network
    return lines


def clips_a_second(chosen: Sequence[Subject], device: Device, *, clips: int, threads: int, frames_per_run: int) -> Line:
    """Run clips of noise through every network at once, as the detect stage does, decoding left out.

    Each clip is a thread's work: its frames are prepared on the host, queued to each network's batcher, and collected.
    """
    precision: Precision = "fp16" if device == "cuda" else "fp32"
    pairs = [
        (
            _preparation(one),
            Batcher(one.name, network_of(one, device, precision, "eager"), frames_per_run=frames_per_run),
        )
        for one in chosen
    ]
    shown = list(np.random.default_rng(1).integers(0, 256, (FRAMES_OF_A_CLIP, 720, 1280, 3), dtype=np.uint8))
    _look(pairs, shown)
    waiting = list(range(clips))
    started, cpu = time.perf_counter(), time.process_time()

    def work() -> None:
        while waiting:
            try:
                waiting.pop()
            except IndexError:
                return
            _look(pairs, shown)

    workers = [threading.Thread(target=work) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    seconds = time.perf_counter() - started
    loads = [batcher.load for _, batcher in pairs]
    for _, batcher in pairs:
        batcher.close()
    return {
        "clips_per_second": round(clips / seconds, 2),
        "host_cpu_seconds_per_clip": round((time.process_time() - cpu) / clips, 3),
        "threads": threads,
        "frames_per_run": frames_per_run,
        "padded_share": round(
            sum(load.padded for load in loads) / max(1, sum(load.frames + load.padded for load in loads)), 3
        ),
    }


def _look(pairs: Sequence[tuple[Preparation, Batcher]], shown: Sequence[NDArray[np.uint8]]) -> None:
    tickets = []
    for preparation, batcher in pairs:
        ticket = batcher.begin(patience_s=600)
        for pixels in shown:
            batcher.put(ticket, [preparation.prepare(pixels)])
        tickets.append((batcher, ticket))
    for batcher, ticket in tickets:
        batcher.collect(ticket)


def _preparation(subject: Subject) -> Preparation:
    return Preparation(side=subject.side, resize=subject.side, squeeze=True, filter=_BICUBIC, mean=HALF, std=HALF)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and write `results/gpu.json`; 0 also where there is no card, which is said."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    parser.add_argument("--tiny", action="store_true", help="one tiny network: shows that this runs, measures nothing")
    parser.add_argument("--threads", type=int, default=16)
    parser.add_argument("--clips", type=int, default=64)
    chosen = parser.parse_args(arguments)
    try:
        require_torch_device(chosen.device)
    except DetectorUnavailable as problem:
        print(f"nothing was measured: {problem}")
        return 0
    began = circumstances()
    figures = measured(chosen)
    print_table("matrix product, TFLOP/s", [list(figures["ceiling"]), list(figures["ceiling"].values())])
    lines = figures["networks"]
    heads = ["network", "precision", "execution", "channels_last", "batch", "frames_per_second", "tflops", "of_ceiling"]
    print_table("networks", [heads, *([line.get(head, "-") for head in heads] for line in lines)])
    print_table("detect stage, decoding left out", [list(figures["clips"]), list(figures["clips"].values())])
    if chosen.tiny:
        print("tiny networks: these are no figures, and nothing was written")
    else:
        tell(f"written to {save('gpu', began, figures)}")
    return 0


def measured(chosen: argparse.Namespace) -> dict[str, Any]:
    """Take every figure."""
    torch = torch_module()
    networks = subjects(tiny=chosen.tiny)
    peak = ceiling(chosen.device, tiny=chosen.tiny)
    batches = BATCHES[:2] if chosen.tiny else BATCHES
    return {
        "card": torch.cuda.get_device_name() if chosen.device == "cuda" else "none",
        "torch": torch.__version__,
        "weights": "random, in the real architectures",
        "ceiling": {name: round(value, 3) for name, value in peak.items()},
        "networks": [line for one in networks for line in measure(one, chosen.device, peak, batches)],
        "clips": clips_a_second(
            networks, chosen.device, clips=4 if chosen.tiny else chosen.clips, threads=chosen.threads, frames_per_run=32
        ),
    }


if __name__ == "__main__":
    sys.exit(main())
