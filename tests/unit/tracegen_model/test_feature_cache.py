"""Kept features come back bit by bit, and never those of other encoders or images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from tracegen_model.data.feature_cache import ENCODERS_FILE, FeatureCache, FeatureCacheError
from tracegen_model.network.images import ImageBatch
from tracegen_model.network.tracegen.encoder_weights import EncoderSource
from tracegen_model.network.tracegen.tracegen import TraceGen

from .conftest import TINY_TRACEGEN

ENCODERS = {"dinov3": "aa", "siglip": "bb"}


class Encoder:
    """Counts the images that it encodes."""

    def __init__(self) -> None:
        self.encoded: list[str] = []

    def __call__(self, images: ImageBatch) -> Mapping[str, Tensor]:
        self.encoded += images.keys
        tokens = images.colour.flatten(1)[:, :12].view(-1, 4, 3)
        return {"dinov3": torch.sin(tokens) / 3.0, "siglip": tokens.to(torch.bfloat16)}


def images(*numbers: int) -> ImageBatch:
    colour = torch.stack([torch.rand(3, 8, 8, generator=torch.Generator().manual_seed(i)) for i in numbers])
    return ImageBatch(
        colour=colour,
        depth=torch.ones(len(numbers), 8, 8),
        depth_known=torch.ones(len(numbers), dtype=torch.bool),
        keys=tuple(f"bild ü/{i}" for i in numbers),
    )


def assert_same(found: ImageBatch, expected: Mapping[str, Tensor]) -> None:
    assert found.features is not None
    assert found.features.keys() == expected.keys()
    for name, value in expected.items():
        assert found.features[name].dtype == value.dtype
        assert torch.equal(found.features[name], value)


@pytest.mark.parametrize("memory_limit", [0, 2**20])
def test_features_come_back_bit_by_bit_in_another_process_life(tmp_path: Path, memory_limit: int) -> None:
    expected = Encoder()(images(0, 1, 2))
    first = FeatureCache(tmp_path, ENCODERS, memory_limit)
    assert_same(first.with_features(images(0, 1, 2), Encoder()), expected)
    encoder = Encoder()
    for cache in (first, FeatureCache(tmp_path, ENCODERS, memory_limit)):
        assert_same(cache.with_features(images(0, 1, 2), encoder), expected)
    assert encoder.encoded == []


def test_the_network_cannot_tell_kept_features_from_new_ones(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = TraceGen(TINY_TRACEGEN, EncoderSource(random=True)).eval()
    drawn = images(0, 1, 2)
    batch = replace(drawn, colour=torch.rand(3, 3, 32, 32), depth=torch.rand(3, 32, 32))
    with torch.no_grad():
        expected = network.condition(batch, ["go"] * 3)
        FeatureCache(tmp_path, ENCODERS).with_features(batch, network.encoder_features)
        kept = FeatureCache(tmp_path, ENCODERS).with_features(batch, _fail)
        found = network.condition(kept, ["go"] * 3)
    assert torch.equal(found.tokens, expected.tokens)


def _fail(images: ImageBatch) -> Mapping[str, Tensor]:
    raise AssertionError(f"{len(images)} images are encoded that are known")


def test_only_images_that_are_not_known_are_encoded(tmp_path: Path) -> None:
    cache, encoder = FeatureCache(tmp_path, ENCODERS), Encoder()
    cache.with_features(images(1), encoder)
    found = cache.with_features(images(0, 1, 2), encoder)
    assert encoder.encoded == ["bild ü/1", "bild ü/0", "bild ü/2"]
    assert_same(found, Encoder()(images(0, 1, 2)))


def test_features_of_other_encoders_are_refused(tmp_path: Path) -> None:
    FeatureCache(tmp_path, ENCODERS)
    with pytest.raises(FeatureCacheError, match=r"other encoders \(they differ in siglip\)"):
        FeatureCache(tmp_path, {**ENCODERS, "siglip": "cc"})
    with pytest.raises(FeatureCacheError, match="differ in precision"):
        FeatureCache(tmp_path, {**ENCODERS, "precision": "bf16"})
    FeatureCache(tmp_path, dict(reversed(ENCODERS.items())))
    (tmp_path / ENCODERS_FILE).write_text("{")
    with pytest.raises(FeatureCacheError, match="is damaged"):
        FeatureCache(tmp_path, ENCODERS)


def test_memory_stays_within_its_limit(tmp_path: Path) -> None:
    size = sum(value[0].nbytes for value in Encoder()(images(0)).values())
    cache = FeatureCache(tmp_path, ENCODERS, memory_limit=2 * size)
    cache.with_features(images(0, 1, 2), Encoder())
    for path in tmp_path.glob("*/*"):
        path.unlink()
    assert cache.get("bild ü/0") is None
    assert cache.get("bild ü/1") is not None
    assert cache.get("bild ü/2") is not None


def test_damaged_files_are_encoded_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    FeatureCache(tmp_path, ENCODERS).with_features(images(0), Encoder())
    (path,) = tmp_path.glob("*/*.safetensors")
    path.write_bytes(path.read_bytes()[:-5])
    encoder = Encoder()
    found = FeatureCache(tmp_path, ENCODERS).with_features(images(0), encoder)
    assert encoder.encoded == ["bild ü/0"]
    assert "is damaged" in caplog.text
    assert_same(found, Encoder()(images(0)))
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def test_images_without_keys_are_refused(tmp_path: Path) -> None:
    batch = images(0)
    bare = ImageBatch(batch.colour, batch.depth, batch.depth_known)
    with pytest.raises(FeatureCacheError, match="a key for each of 1 images, found 0"):
        FeatureCache(tmp_path, ENCODERS).with_features(bare, Encoder())
