"""The authors' checkpoints are taken over tensor by tensor, or refused with a full list of what is wrong."""

from __future__ import annotations

import dataclasses
import logging
import math
import os
import pickle
import re
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from diffusers import CogVideoXTransformer3DModel
from torch import Tensor

from tracegen_model.cli.main import main
from tracegen_model.network.checkpoint import load_checkpoint
from tracegen_model.network.checkpoint_config import CheckpointConfig
from tracegen_model.network.presets import preset
from tracegen_model.network.tracegen.authors_architecture import AuthorsArchitectureError, network_config
from tracegen_model.network.tracegen.authors_checkpoint import (
    AuthorsCheckpointError,
    expected_shapes,
    import_authors_checkpoint,
    imported_network,
)
from tracegen_model.network.tracegen.authors_file import AuthorsFile, AuthorsFileError, read_authors_file
from tracegen_model.network.tracegen.authors_names import AuthorsNamesError, plain_names, without_unused
from tracegen_model.network.tracegen.config import TraceGenConfig
from tracegen_model.network.tracegen.encoder_weights import EncoderSource
from tracegen_model.network.tracegen.tracegen import TraceGen

from . import authors_checkpoints as authors

TINY = authors.Sizes()
DECODER = "diffusion_decoder.cogvideox."


@pytest.fixture
def weights() -> dict[str, Tensor]:
    return authors.tensors(TINY)


def imported(path: Path, folder: Path) -> tuple[CheckpointConfig, TraceGen]:
    """Imported, and loaded again with the encoders that it holds."""
    import_authors_checkpoint(path, folder)
    stored = EncoderSource(stored=folder / "encoders.safetensors", hashed_words=True)
    config, network = load_checkpoint(folder, stored)
    assert isinstance(network, TraceGen)
    return config, network


def test_the_documented_tables_add_up_to_the_published_totals() -> None:
    def count(prefix: str, size: authors.Sizes = authors.BASE) -> tuple[int, int]:
        found = [math.prod(shape) for name, shape in authors.shapes(size).items() if name.startswith(prefix)]
        return len(found), sum(found)

    assert count("") == (1008, 699_220_638)
    assert count("dino_encoder.vision_model.") == (318, 303_079_424)
    assert count("siglip_encoder.vision_model.vision_model.") == (208, 93_176_064)
    assert count("siglip_encoder.vision_model.vision_model.head.")[1] == 7_087_104
    assert count("t5_encoder.text_model.") == (100, 109_628_544 + 24_674_304)
    assert count("vision_fusion") == (2, 1_966_848)
    assert count(DECODER) == (160, 72_971_288)
    assert count(DECODER, dataclasses.replace(authors.BASE, width=1024, blocks=12))[1] == 229_482_520
    assert count(DECODER, dataclasses.replace(authors.BASE, width=512, blocks=4))[1] == 26_689_560


@pytest.mark.parametrize(
    ("width", "blocks", "expected"),
    [(768, 6, preset("base")), (1024, 12, preset("large")), (512, 4, TraceGenConfig(heads=8, blocks=4))],
    ids=["base", "large", "training default"],
)
def test_published_sizes_are_recognised_and_every_tensor_has_its_place(
    width: int, blocks: int, expected: TraceGenConfig
) -> None:
    size = dataclasses.replace(authors.BASE, width=width, blocks=blocks)
    given = {name: torch.empty(shape, device="meta") for name, shape in authors.shapes(size).items()}
    del given["t5_encoder.text_model.shared.weight"]  # Comparing it takes numbers, of which these have none.
    plain, unused = without_unused(plain_names(given))
    assert (
        network_config({**plain, **{name: given[name] for name in given if "padding" in name}}, {})
        == expected
    )
    found = {name: tuple(tensor.shape) for name, tensor in plain.items()}
    assert found == expected_shapes(expected, ("dinov3", "siglip", "t5"))
    assert len(unused) == 2 * 11 + 1
    trained = sum(math.prod(shape) for shape in expected_shapes(expected, ()).values())
    totals = {768: 75_486_238, 1024: 231_997_470, 512: 29_204_510}
    assert (
        trained == totals[width] - 768 * 704
    )  # The authors count padding tokens that nothing is computed with.


def test_the_documented_names_are_those_of_the_libraries(weights: dict[str, Tensor]) -> None:
    prefix = "t5_encoder.text_model."
    text = transformers.T5EncoderModel(
        transformers.T5Config(
            vocab_size=TINY.words,
            d_model=TINY.text,
            d_kv=TINY.t5_head,
            d_ff=TINY.t5_hidden,
            num_layers=TINY.t5_blocks,
            num_heads=TINY.t5_heads,
        )
    )
    text.load_state_dict(
        {name.removeprefix(prefix): tensor for name, tensor in weights.items() if name.startswith(prefix)}
    )
    stock_transformer(weights)


def stock_transformer(weights: dict[str, Tensor]) -> CogVideoXTransformer3DModel:
    """diffusers' transformer of the tiny sizes with the file's tensors, loaded strictly."""
    stock = CogVideoXTransformer3DModel(
        num_attention_heads=TINY.width // TINY.head,
        attention_head_dim=TINY.head,
        in_channels=6,
        out_channels=6,
        time_embed_dim=TINY.time,
        text_embed_dim=TINY.text,
        num_layers=TINY.blocks,
        sample_width=4,
        sample_height=4,
        sample_frames=4,
        patch_size=2,
        patch_size_t=1,
        max_text_seq_length=TINY.condition,
        spatial_interpolation_scale=1.875,
        temporal_interpolation_scale=1.0,
        patch_bias=True,
    ).eval()
    stock.load_state_dict(
        {name.removeprefix(DECODER): tensor for name, tensor in weights.items() if name.startswith(DECODER)}
    )
    return stock


@pytest.mark.parametrize("wrapping", ["", "module.", "_orig_mod.", "_orig_mod.module."])
def test_a_file_comes_over_whole_whatever_wraps_its_names(
    tmp_path: Path, weights: dict[str, Tensor], wrapping: str
) -> None:
    wrapped = {wrapping + name: tensor for name, tensor in weights.items()}
    path = authors.write(tmp_path / "authors.pth", authors.saved(wrapped))
    config, network = imported(path, tmp_path / "generalist")

    assert config.name == "generalist"
    assert config.preset == "custom"
    assert config.increment_scale == (0.05, 0.05, 0.04)
    assert config.clip_increments == 1.0
    assert config.sampler_steps == 100
    assert config.condition_dropout == 0.0
    assert config.training["epoch"] == 19
    assert config.training["config"] == authors.CONFIG
    assert config.network == TraceGenConfig(
        image_side=16,
        grid_side=4,
        horizon=8,
        heads=2,
        head_width=16,
        blocks=2,
        condition_width=32,
        time_width=24,
        text_length=12,
        dinov3=dataclasses.replace(
            TraceGenConfig().dinov3, width=64, depth=2, heads=1, feed_forward_width=96, patch_side=8
        ),
        siglip=dataclasses.replace(
            TraceGenConfig().siglip, width=64, depth=2, heads=1, feed_forward_width=80, patch_side=8
        ),
        t5=dataclasses.replace(
            TraceGenConfig().t5,
            width=32,
            depth=2,
            heads=2,
            head_width=8,
            feed_forward_width=48,
            vocabulary=40,
        ),
    )
    found = network.state_dict()
    for ours, theirs in {
        "depth_mask_token": "learnable_depth_mask_token",
        "dinov3.tower.blocks.1.attn.qkv.weight": "dino_encoder.vision_model.blocks.1.attn.qkv.weight",
        "dinov3.tower.reg_token": "dino_encoder.vision_model.reg_token",
        "dinov3.norm.weight": "dino_encoder.final_layernorm.weight",
        "siglip.tower.encoder.layers.1.mlp.fc2.bias": (
            "siglip_encoder.vision_model.vision_model.encoder.layers.1.mlp.fc2.bias"
        ),
        "siglip.norm.bias": "siglip_encoder.final_layernorm.bias",
        "depth.stem.weight": "depth_encoder.stem_adapter.weight",
        "depth.norm.weight": "depth_encoder.final_layernorm.weight",
        "t5.tower.embed_tokens.weight": "t5_encoder.text_model.shared.weight",
        "t5.tower.block.1.layer.1.DenseReluDense.wo.weight": (
            "t5_encoder.text_model.encoder.block.1.layer.1.DenseReluDense.wo.weight"
        ),
        "t5.norm.bias": "t5_encoder.final_layernorm.bias",
        "fusion.weight": "vision_fusion.weight",
    }.items():
        assert torch.equal(found[ours], weights[theirs]), ours
    stored = CheckpointConfig.load(tmp_path / "generalist")
    assert {tower: network.encoder_digests()[tower] for tower in stored.encoders} == dict(stored.encoders)
    assert set(stored.encoders) == {"dinov3", "siglip", "t5"}


def test_the_imported_transformer_computes_what_the_authors_does(
    tmp_path: Path, weights: dict[str, Tensor]
) -> None:
    path = authors.write(tmp_path / "authors.pth", authors.saved(weights))
    network = imported(path, tmp_path / "out")[1]
    generator = torch.Generator().manual_seed(1)
    state = torch.randn(1, 16, 8, 3, generator=generator)
    tokens = torch.randn(1, TINY.condition, TINY.text, generator=generator)
    video = state.view(1, 4, 4, 4, 2, 3).permute(0, 3, 5, 4, 1, 2).flatten(2, 3)
    with torch.no_grad():
        expected = stock_transformer(weights)(video, tokens, torch.tensor([40.0]), return_dict=False)[0]
        found = -network.velocity(state, torch.tensor([0.6]), network.condition_from_tokens(tokens))
    found = found.view(1, 4, 4, 4, 2, 3).permute(0, 3, 5, 4, 1, 2).flatten(2, 3)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_newer_nesting_of_siglip_and_half_precision_come_over_too(
    tmp_path: Path, weights: dict[str, Tensor]
) -> None:
    path = authors.write(tmp_path / "old.pth", authors.saved(weights))
    expected = imported_network(read_authors_file(path))
    renamed = {
        name.replace("vision_model.vision_model.", "vision_model."): tensor
        for name, tensor in weights.items()
    }
    found = imported_network(read_authors_file(authors.write(tmp_path / "new.pth", authors.saved(renamed))))
    assert found.frozen is not None
    assert expected.frozen is not None
    assert all(torch.equal(found.frozen[name], tensor) for name, tensor in expected.frozen.items())
    half = {name: tensor.bfloat16() for name, tensor in weights.items()}
    halved = imported_network(read_authors_file(authors.write(tmp_path / "half.pth", authors.saved(half))))
    assert {tensor.dtype for tensor in halved.trained.values()} == {torch.float32}
    torch.testing.assert_close(
        halved.trained["fusion.weight"], expected.trained["fusion.weight"], rtol=1e-2, atol=1e-3
    )


def test_older_files_with_whole_config_objects_and_numpy_numbers_are_read(
    tmp_path: Path, weights: dict[str, Tensor]
) -> None:
    content = authors.saved(
        weights,
        authors.DictToNamespace(authors.CONFIG),
        best_metric=np.float64(-0.25),
        val_metrics=[np.float32(1)],
    )
    file = read_authors_file(authors.write(tmp_path / "authors.pth", content, module="__main__"))
    assert file.config == authors.CONFIG
    assert file.epoch == 19
    assert set(file.tensors) == set(weights)


def test_the_config_in_the_checkpoint_is_plain_data(tmp_path: Path, weights: dict[str, Tensor]) -> None:
    path = authors.write(tmp_path / "authors.pth", authors.saved(weights))
    assert b"getattr" in zipfile.ZipFile(path).read("authors/data.pkl")
    assert read_authors_file(path).config == authors.CONFIG


def trained_only(size: authors.Sizes) -> dict[str, Tensor]:
    towers = re.compile(r".*\.(vision_model|text_model)\.")
    return {
        name: torch.full(shape, 0.1) for name, shape in authors.shapes(size).items() if not towers.match(name)
    }


def test_a_file_of_trained_tensors_alone_names_the_published_encoders(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    small = dataclasses.replace(authors.BASE, width=64, blocks=1, time=16)
    path = authors.write(tmp_path / "adapter.pth", trained_only(small))
    folder = tmp_path / "out"
    config = import_authors_checkpoint(path, folder, name="adapter")
    assert config.network == TraceGenConfig(heads=1, blocks=1, time_width=16)
    assert config.name == "adapter"
    assert config.encoders == {}
    assert sorted(path.name for path in folder.iterdir()) == ["config.json", "model.safetensors"]
    assert config.increment_scale == (0.05, 0.05, 0.04)
    assert "does not say how increments were normalised" in caplog.text


def test_encoders_of_unknown_sizes_must_be_in_the_file() -> None:
    other = dataclasses.replace(authors.BASE, width=64, blocks=1, time=16, dino=384)
    with pytest.raises(AuthorsArchitectureError, match=r"lacks DINOv3.*width 384.*expected .*width 1024"):
        network_config(trained_only(other), {})
    named = {"siglip_ckpt": "google/siglip-base-patch16-512"}
    with pytest.raises(AuthorsArchitectureError, match=r"lacks SigLIP.*siglip-base-patch16-512"):
        network_config(trained_only(dataclasses.replace(other, dino=1024)), named)


def test_encoders_can_be_left_out_and_are_recognised_later(
    tmp_path: Path, weights: dict[str, Tensor]
) -> None:
    path = authors.write(tmp_path / "authors.pth", authors.saved(weights))
    whole = import_authors_checkpoint(path, tmp_path / "whole")
    config = import_authors_checkpoint(path, tmp_path / "part", keep_encoders=False)
    assert not (tmp_path / "part" / "encoders.safetensors").exists()
    assert config.encoders == whole.encoders
    elsewhere = EncoderSource(stored=tmp_path / "whole" / "encoders.safetensors", hashed_words=True)
    assert load_checkpoint(tmp_path / "part", elsewhere)[0] == config


class Attack:
    """A pickle of it calls ``function``."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return self.call


@pytest.mark.parametrize("place", ["config", "model_state_dict", "epoch", "optimizer_state_dict"])
@pytest.mark.parametrize("function", [os.system, eval, exec, getattr], ids=lambda function: function.__name__)
def test_code_in_a_file_is_refused_by_name_and_never_run(
    tmp_path: Path, weights: dict[str, Tensor], place: str, function: Any
) -> None:
    mark = tmp_path / "was_here"
    arguments = {
        os.system: (f"touch {mark}",),
        getattr: (Attack(os.system, f"touch {mark}"), "real"),
    }.get(function, (f"open({str(mark)!r}, 'w')",))
    path = authors.write(
        tmp_path / "bad.pth", authors.saved(weights, **{place: Attack(function, *arguments)})
    )
    named = "posix.system" if function in (os.system, getattr) else f"builtins.{function.__name__}"
    with pytest.raises(AuthorsFileError, match=rf"names {re.escape(named)}, .*not loaded"):
        read_authors_file(path)
    assert not mark.exists()


def test_stand_ins_do_nothing(tmp_path: Path, weights: dict[str, Tensor]) -> None:
    """Nothing is looked up on an object just because a file says so, and no module is imported."""
    content = authors.saved(weights, config={"a": Attack(getattr, {"b": 1}, "clear"), "c": 2})
    path = authors.write(tmp_path / "odd.pth", content)
    assert read_authors_file(path).config == {"c": 2}

    elsewhere = tmp_path / "renamed.pth"
    original = authors.write(tmp_path / "authors.pth", authors.saved(weights))
    with zipfile.ZipFile(original) as source, zipfile.ZipFile(elsewhere, "w") as target:
        for entry in source.infolist():
            data = source.read(entry).replace(b"ctrainer.trainer\n", b"cantigravity\n")
            target.writestr(entry.filename, data)
    assert "antigravity.DictToNamespace" in torch.serialization.get_unsafe_globals_in_checkpoint(elsewhere)
    assert read_authors_file(elsewhere).config == authors.CONFIG
    assert "antigravity" not in sys.modules


def test_files_of_other_kinds_are_refused_with_what_to_do(tmp_path: Path, weights: dict[str, Tensor]) -> None:
    legacy = tmp_path / "legacy.pth"
    torch.save({"model_state_dict": {"a": torch.ones(2)}}, legacy, _use_new_zipfile_serialization=False)
    with pytest.raises(AuthorsFileError, match=r"PyTorch 1\.6.*save it again"):
        read_authors_file(legacy)
    bare = tmp_path / "bare.pkl"
    bare.write_bytes(pickle.dumps({"model_state_dict": 1}))
    with pytest.raises(AuthorsFileError, match="not in the zip format"):
        read_authors_file(bare)
    archive = tmp_path / "archive.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("readme.txt", "hello")
    with pytest.raises(AuthorsFileError, match="not a readable checkpoint"):
        read_authors_file(archive)
    cut = tmp_path / "cut.pth"
    cut.write_bytes(authors.write(tmp_path / "whole.pth", authors.saved(weights)).read_bytes()[:-2000])
    with pytest.raises(AuthorsFileError):
        read_authors_file(cut)
    with pytest.raises(AuthorsFileError, match="holds no network"):
        read_authors_file(authors.write(tmp_path / "other.pth", {"weights": {"a": torch.ones(2)}}))
    with pytest.raises(AuthorsFileError, match="expected a mapping"):
        read_authors_file(authors.write(tmp_path / "list.pth", [torch.ones(2)]))
    with pytest.raises(AuthorsFileError, match="found no such file; check the path"):
        read_authors_file(tmp_path / "none.pth")


def test_every_missing_unexpected_and_misshapen_tensor_is_listed(
    tmp_path: Path, weights: dict[str, Tensor]
) -> None:
    missing = [
        DECODER + "transformer_blocks.1.attn1.to_q.weight",
        "depth_encoder.vision_model.vision_model.post_layernorm.weight",
        "t5_encoder.final_layernorm.bias",
        "dino_encoder.vision_model.cls_token",
    ]
    for name in missing:
        del weights[name]
    weights["diffusion_decoder.trunk_to_text_proj.weight"] = torch.zeros(2, 2)
    weights["vision_fusion.weight"] = torch.zeros(32, 7)
    weights["depth_encoder.stem_adapter.weight"] = torch.zeros(3, 2, 1, 1)
    path = authors.write(tmp_path / "authors.pth", authors.saved(weights))
    with pytest.raises(AuthorsCheckpointError) as caught:
        import_authors_checkpoint(path, tmp_path / "out")
    message = str(caught.value)
    for name in missing:
        assert name.replace("vision_model.vision_model.", "vision_model.") in message
    assert "unexpected: diffusion_decoder.trunk_to_text_proj.weight" in message
    assert "vision_fusion.weight: expected (32, 192), found (32, 7)" in message
    assert "depth_encoder.stem_adapter.weight: expected (3, 1, 1, 1), found (3, 2, 1, 1)" in message
    assert not (tmp_path / "out").exists()


def test_something_else_than_tracegen_is_named_as_such(weights: dict[str, Tensor]) -> None:
    del weights["vision_fusion.weight"]
    with pytest.raises(
        AuthorsArchitectureError, match=r"not the tensors of TraceGen.*patch_embed\.proj\.weight"
    ):
        network_config({"layer1.weight": torch.ones(2)}, {})
    flat = {**weights, DECODER + "patch_embed.proj.weight": torch.ones(32)}
    with pytest.raises(AuthorsArchitectureError, match=r"patch_embed\.proj\.weight of shape \(32,\)"):
        network_config(flat, {})


def test_two_siglip_towers_that_differ_are_refused(tmp_path: Path, weights: dict[str, Tensor]) -> None:
    weights["depth_encoder.vision_model.vision_model.encoder.layers.0.mlp.fc1.bias"] += 1e-3
    path = authors.write(tmp_path / "authors.pth", authors.saved(weights))
    with pytest.raises(AuthorsCheckpointError, match=r"differ in 1 of .*layers\.0\.mlp\.fc1\.bias"):
        import_authors_checkpoint(path, tmp_path / "out")


def test_unequal_copies_of_one_tensor_are_refused(tmp_path: Path, weights: dict[str, Tensor]) -> None:
    weights["t5_encoder.text_model.shared.weight"] = torch.zeros(TINY.words, TINY.text)
    with pytest.raises(
        AuthorsNamesError, match=r"two different tensors are t5_encoder.*embed_tokens\.weight"
    ):
        plain_names(weights)
    del weights["t5_encoder.text_model.encoder.embed_tokens.weight"]
    assert "t5_encoder.text_model.encoder.embed_tokens.weight" in plain_names(weights)


@pytest.mark.parametrize(
    ("low", "high", "match"),
    [
        ([-0.05, -0.05, -0.02], [0.05, 0.05, 0.04], r"around \[0.0, 0.0, 0.0"),
        ([0.05, -0.05, -0.04], [-0.05, 0.05, 0.04], "must exceed"),
        ([-0.05, -0.05], [0.05, 0.05], "action_min must be 3 finite numbers"),
        ([-0.05, -0.05, math.nan], [0.05, 0.05, 0.04], "action_min must be 3 finite numbers"),
    ],
)
def test_increments_that_are_not_centred_are_refused(
    tmp_path: Path, weights: dict[str, Tensor], low: list[float], high: list[float], match: str
) -> None:
    content = authors.saved(weights, action_min=torch.tensor(low), action_max=torch.tensor(high))
    with pytest.raises((AuthorsCheckpointError, AuthorsFileError), match=match):
        import_authors_checkpoint(authors.write(tmp_path / "authors.pth", content), tmp_path / "out")


@pytest.mark.parametrize(
    ("config", "match"),
    [
        ({"absolute_action": True}, "absolute_action True"),
        ({"model": {"decoder": {"use_rotary_positional_embeddings": True}}}, "rotary"),
        ({"model": {"decoder": {"frame_size": "20"}}}, "frame_size '20'; expected a positive whole number"),
        ({"model": {"decoder": {"patch_size": 5}}}, "not whole steps of 5 x 5"),
        ({"t5_model": 3}, "t5_model 3; expected a name"),
    ],
)
def test_configs_of_other_networks_are_refused(
    weights: dict[str, Tensor], config: dict[str, Any], match: str
) -> None:
    with pytest.raises(AuthorsArchitectureError, match=match):
        network_config(plain_names(weights), config)


def test_the_command_imports_and_says_in_one_line_what_is_wrong(
    tmp_path: Path, weights: dict[str, Tensor], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    path = authors.write(tmp_path / "authors.pth", authors.saved(weights))
    command = [
        "import-checkpoint",
        str(path),
        "--out",
        str(tmp_path / "out"),
        "--name",
        "mine",
        "--steps",
        "20",
    ]
    assert main(command) == 0
    config = CheckpointConfig.load(tmp_path / "out")
    assert (config.name, config.sampler_steps) == ("mine", 20)
    assert "left out 23 tensors that nothing is computed with" in caplog.text
    caplog.clear()
    assert main(command) == 1
    assert "holds a checkpoint already" in caplog.text
    assert main(["import-checkpoint", str(tmp_path / "none.pth"), "--out", str(tmp_path / "new")]) == 1


def test_the_tokeniser_is_stored_on_request(tmp_path: Path, weights: dict[str, Tensor]) -> None:
    tokenizers = pytest.importorskip("tokenizers")
    words = {"<pad>": 0, "</s>": 1, "<unk>": 2, "push": 3}
    pieces = tokenizers.Tokenizer(tokenizers.models.WordLevel(words, unk_token="<unk>"))
    pieces.save(str(tmp_path / "tokenizer.json"))
    path = authors.write(tmp_path / "authors.pth", authors.saved(weights))
    config = import_authors_checkpoint(path, tmp_path / "out", tokeniser=tmp_path / "tokenizer.json")
    assert "tokeniser" in config.encoders
    network = load_checkpoint(tmp_path / "out")[1]
    assert network.encoder_digests() == dict(config.encoders)


def test_a_file_in_memory_is_enough(weights: dict[str, Tensor]) -> None:
    network = imported_network(AuthorsFile(Path("made.pth"), weights, authors.CONFIG))
    assert network.config.horizon == 8
    assert set(network.towers) == {"dinov3", "siglip", "t5"}
