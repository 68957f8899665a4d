"""Tiny networks of the pack's own classes, with random weights, saved as their repositories lay them out.

These tests need the extra `torch`, which the default environment has not: `.ci/torch_extra.py` makes an environment that
has it and runs them there, as part of `make test-full`. Elsewhere they are not collected.
"""

import dataclasses
import importlib.util
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from detectors.gpu.offline import digest_of, lay_down
from detectors.gpu.pins import GpuModel, LockedModel, read_gpu_pins
from detectors.gpu.torch_runtime import torch_module

REVISION = "0123456789abcdef0123456789abcdef01234567"
SIDE = 32


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    return True if collection_path.name.startswith("test_") and importlib.util.find_spec("torch") is None else None


@pytest.fixture(scope="session")
def torch():
    return torch_module()


@pytest.fixture(scope="session")
def repositories(torch, tmp_path_factory) -> Callable[[str], Path]:
    """Make a folder that looks like the repository of one of the pack's models, once."""
    made: dict[str, Path] = {}
    makers = {
        "freepik_nsfw": save_timm_wrapper,
        "marqo_nsfw": save_timm,
        "age_vit": save_vit,
        "age_siglip2": save_siglip,
        "siglip2_scenes": save_open_clip,
    }

    def repository(name: str) -> Path:
        if name not in made:
            folder = tmp_path_factory.mktemp(name)
            torch.manual_seed(20261122)
            makers[name](folder, read_gpu_pins().model(name))
            made[name] = folder
        return made[name]

    return repository


@pytest.fixture
def pinned(repositories, tmp_path) -> Callable[[str], tuple[Path, GpuModel, LockedModel]]:
    """Copy a repository into a models folder of this test's own and lock it, without an answer to the probe."""

    def pin(name: str) -> tuple[Path, GpuModel, LockedModel]:
        model, source = read_gpu_pins().model(name), repositories(name)
        locked = LockedModel(revision=REVISION, files={file: digest_of(source / file) for file in model.files})
        lay_down(tmp_path, model, locked, source)
        return tmp_path, model, locked

    return pin


def save_vit(folder: Path, model: GpuModel) -> None:
    from transformers import ViTConfig, ViTForImageClassification

    labels = dict(enumerate(model.labels))
    config = ViTConfig(
        image_size=SIDE, patch_size=8, hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64,
        num_labels=len(labels), id2label=labels, label2id={name: i for i, name in labels.items()},
    )  # fmt: skip
    ViTForImageClassification(config).save_pretrained(folder)
    write_preprocessor(folder, resample=2)


def save_siglip(folder: Path, model: GpuModel) -> None:
    from transformers import SiglipConfig, SiglipForImageClassification

    labels = dict(enumerate(model.labels))
    tower = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    config = SiglipConfig(
        vision_config={**tower, "image_size": SIDE, "patch_size": 8}, text_config={**tower, "vocab_size": 64},
        num_labels=len(labels), id2label=labels, label2id={name: i for i, name in labels.items()},
    )  # fmt: skip
    SiglipForImageClassification(config).save_pretrained(folder)
    write_preprocessor(folder, resample=2)


def write_preprocessor(folder: Path, resample: int) -> None:
    settings = {
        "do_resize": True, "size": {"height": SIDE, "width": SIDE}, "resample": resample,
        "do_rescale": True, "rescale_factor": 1 / 255,
        "do_normalize": True, "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5],
        "image_processor_type": "ViTImageProcessor",
    }  # fmt: skip
    (folder / "preprocessor_config.json").write_text(json.dumps(settings))


def timm_config(model: GpuModel, **more: object) -> dict[str, object]:
    return {
        "architecture": "vit_tiny_patch16_224", "num_classes": len(model.labels), "label_names": list(model.labels),
        "model_args": {"img_size": SIDE, "patch_size": 8, "embed_dim": 32, "depth": 2, "num_heads": 2},
        "pretrained_cfg": {
            "input_size": [3, SIDE, SIDE], "interpolation": "bicubic", "crop_pct": 0.9, "crop_mode": "center",
            "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5], "num_classes": len(model.labels),
            "first_conv": "patch_embed.proj", "classifier": "head",
        },
        **more,
    }  # fmt: skip


def save_timm_wrapper(folder: Path, model: GpuModel) -> None:
    from transformers import TimmWrapperConfig, TimmWrapperForImageClassification

    config = TimmWrapperConfig.from_dict(timm_config(model))
    TimmWrapperForImageClassification(config).save_pretrained(folder)


def save_timm(folder: Path, model: GpuModel) -> None:
    """A repository of timm's own form: no architectures, names of tensors without the wrapper's prefix."""
    import timm
    from safetensors.torch import save_file

    config = timm_config(model)
    network = timm.create_model(config["architecture"], num_classes=len(model.labels), **config["model_args"])
    (folder / "config.json").write_text(json.dumps(config))
    save_file(network.state_dict(), folder / "model.safetensors", metadata={"format": "pt"})


def save_open_clip(folder: Path, model: GpuModel) -> None:
    import open_clip
    from safetensors.torch import save_file
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words = ["<pad>", "</s>", "<unk>", *"abcdefghijklmnopqrstuvwxyz"]
    tokenizer = Tokenizer(models.WordLevel({word: index for index, word in enumerate(words)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<pad>", eos_token="</s>", unk_token="<unk>")
    fast.save_pretrained(folder)
    (folder / "special_tokens_map.json").touch(exist_ok=True)
    if not (folder / "special_tokens_map.json").read_text():
        (folder / "special_tokens_map.json").write_text("{}")
    towers = {
        "embed_dim": 16, "init_logit_bias": -10, "custom_text": True,
        "vision_cfg": {"image_size": SIDE, "layers": 2, "width": 32, "head_width": 16, "patch_size": 8},
        "text_cfg": {
            "context_length": 16, "vocab_size": len(words), "hf_tokenizer_name": "somebody/something",
            "tokenizer_kwargs": {"clean": "canonicalize"}, "width": 32, "heads": 2, "layers": 2,
            "no_causal_mask": True, "proj_bias": True, "pool_type": "last", "norm_kwargs": {"eps": 1e-06},
        },
    }  # fmt: skip
    preparation = {"mean": [0.5] * 3, "std": [0.5] * 3, "interpolation": "bicubic", "resize_mode": "squash"}
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": towers, "preprocess_cfg": preparation}))
    network = open_clip.create_model(f"local-dir:{folder}", load_weights=False)
    save_file({name: t.contiguous() for name, t in network.state_dict().items()}, folder / model.files[1])


@pytest.fixture(scope="session")
def picture() -> np.ndarray:
    """Any picture; it shows nothing."""
    return np.random.default_rng(7).integers(0, 256, (90, 160, 3), dtype=np.uint8)


def with_probe(locked: LockedModel, probe: tuple[float, ...]) -> LockedModel:
    return dataclasses.replace(locked, probe=probe)
