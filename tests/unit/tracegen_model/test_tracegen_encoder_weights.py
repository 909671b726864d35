"""Pretrained encoders from files as their publishers write them; and what is said when they cannot be had."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import tokenizers
import torch
import transformers
from safetensors.torch import load_file, save_file
from tokenizers import models, normalizers, pre_tokenizers, processors
from torch import Tensor, nn

from tracegen_model.network.tracegen.encoder_weights import HASHED_WORDS, EncoderSource, EncoderWeightsError
from tracegen_model.network.tracegen.tokeniser import T5Tokeniser
from tracegen_model.network.tracegen.tracegen import TraceGen

from .conftest import TINY_TRACEGEN

SIDE = TINY_TRACEGEN.image_side
WORDS = ["put", "the", "red", "block", "in", "green", "zone"]


def siglip_config() -> transformers.SiglipVisionConfig:
    sizes = TINY_TRACEGEN.siglip
    return transformers.SiglipVisionConfig(
        hidden_size=sizes.width,
        num_hidden_layers=sizes.depth,
        num_attention_heads=sizes.heads,
        intermediate_size=sizes.feed_forward_width,
        image_size=SIDE,
        patch_size=sizes.patch_side,
    )


def t5_config() -> transformers.T5Config:
    sizes = TINY_TRACEGEN.t5
    return transformers.T5Config(
        vocab_size=sizes.vocabulary,
        d_model=sizes.width,
        d_kv=sizes.head_width,
        d_ff=sizes.feed_forward_width,
        num_layers=sizes.depth,
        num_heads=sizes.heads,
    )


def write_tokeniser(folder: Path) -> None:
    """A tokeniser of whole words with T5's special tokens and its end of the sentence."""
    vocabulary = {word: index for index, word in enumerate(["<pad>", "</s>", "<unk>", *WORDS])}
    pieces = tokenizers.Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    pieces.normalizer = normalizers.NFKC()
    pieces.pre_tokenizer = pre_tokenizers.Whitespace()
    pieces.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    pieces.save(str(folder / "tokenizer.json"))


@pytest.fixture
def published(tmp_path: Path) -> EncoderSource:
    """Folders as the publishers write them, with random weights of tiny sizes."""
    torch.manual_seed(0)
    folders = {name: tmp_path / name for name in ("dinov3", "siglip", "t5")}
    for folder in folders.values():
        folder.mkdir()
    geometry = TraceGen(TINY_TRACEGEN, EncoderSource(random=True, seed=9)).dinov3.tower
    save_file(geometry.state_dict(), folders["dinov3"] / "model.safetensors")
    transformers.SiglipVisionModel(siglip_config()).save_pretrained(folders["siglip"])
    transformers.T5EncoderModel(t5_config()).save_pretrained(folders["t5"])
    write_tokeniser(folders["t5"])
    return EncoderSource(**{name: str(folder) for name, folder in folders.items()}, download=False)


def tensors_of(module: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in module.state_dict().items()}


def rewrite(folder: str | None, tensors: dict[str, Tensor]) -> None:
    assert folder is not None
    save_file(tensors, Path(folder) / "model.safetensors")


def test_towers_read_from_folders_work_like_the_libraries_own_models(published: EncoderSource) -> None:
    network = TraceGen(TINY_TRACEGEN, published).eval()
    image = torch.rand(2, 3, SIDE, SIDE)
    siglip = transformers.SiglipVisionModel.from_pretrained(published.siglip).eval()
    t5 = transformers.T5EncoderModel.from_pretrained(published.t5).eval()
    words = torch.from_numpy(network.t5.tokeniser(["put the red block", "the unheard"]))
    mask = (words != 0).long()
    with torch.no_grad():
        expected = siglip(2.0 * image - 1.0).last_hidden_state
        assert torch.allclose(network.siglip.features(image), expected, atol=1e-5)
        expected = t5(input_ids=words, attention_mask=mask).last_hidden_state
        features = network.t5.features(["put the red block", "the unheard"])
        assert torch.allclose(features, expected, atol=1e-5)
    random = TraceGen(TINY_TRACEGEN, EncoderSource(random=True, seed=9)).eval()
    assert torch.equal(network.dinov3.features(image), random.dinov3.features(image))
    assert not any(parameter.requires_grad for parameter in network.siglip.tower.parameters())


@pytest.mark.parametrize("nesting", ["", "vision_model.", "vision_model.vision_model."])
def test_siglip_is_read_however_deep_its_file_nests_it(published: EncoderSource, nesting: str) -> None:
    expected = TraceGen(TINY_TRACEGEN, published).siglip.tower.state_dict()
    rewrite(
        published.siglip,
        {
            **{nesting + name: tensor for name, tensor in expected.items()},
            nesting + "head.probe": torch.zeros(1, 1, 32),
            "text_model.embeddings.token_embedding.weight": torch.zeros(4, 4),
            "logit_scale": torch.zeros(1),
        },
    )
    found = TraceGen(TINY_TRACEGEN, published).siglip.tower.state_dict()
    assert all(torch.equal(tensor, found[name]) for name, tensor in expected.items())


def test_t5_is_read_from_a_file_of_the_whole_model(published: EncoderSource) -> None:
    assert published.t5 is not None
    whole = transformers.T5ForConditionalGeneration(t5_config())
    whole.save_pretrained(published.t5)
    tower = TraceGen(TINY_TRACEGEN, published).t5.tower
    assert torch.equal(tower.state_dict()["embed_tokens.weight"], whole.shared.weight)
    assert torch.equal(tower.state_dict()["final_layer_norm.weight"], whole.encoder.final_layer_norm.weight)


def test_word_tables_that_differ_are_refused(published: EncoderSource) -> None:
    assert published.t5 is not None
    tensors = load_file(Path(published.t5) / "model.safetensors")
    rewrite(published.t5, {**tensors, "encoder.embed_tokens.weight": torch.zeros(512, 32)})
    with pytest.raises(EncoderWeightsError, match=r"two different tensors for embed_tokens\.weight"):
        TraceGen(TINY_TRACEGEN, published)


def test_weights_in_half_precision_and_in_several_files_are_read(published: EncoderSource) -> None:
    assert published.dinov3 is not None
    folder = Path(published.dinov3)
    tensors = {name: tensor.half() for name, tensor in load_file(folder / "model.safetensors").items()}
    (folder / "model.safetensors").unlink()
    names = sorted(tensors)
    parts = {"part1.safetensors": names[::2], "part2.safetensors": names[1::2]}
    for file, held in parts.items():
        save_file({name: tensors[name] for name in held}, folder / file)
    weight_map = {name: file for file, held in parts.items() for name in held}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))
    found = TraceGen(TINY_TRACEGEN, published).dinov3.tower.state_dict()
    assert all(torch.equal(found[name], tensors[name].float()) for name in names)
    (folder / "part2.safetensors").unlink()
    with pytest.raises(EncoderWeightsError, match=r"holds no part2\.safetensors"):
        TraceGen(TINY_TRACEGEN, published)


def test_the_tokeniser_pads_and_cuts_like_the_original(published: EncoderSource) -> None:
    assert published.t5 is not None
    path = Path(published.t5) / "tokenizer.json"
    original = transformers.PreTrainedTokenizerFast(
        tokenizer_file=str(path), pad_token="<pad>", eos_token="</s>", unk_token="<unk>"
    )
    sentences = ["put the red block in the green zone", "", "unheard words", "the " * 40]
    expected = original(sentences, padding="max_length", truncation=True, max_length=12, return_tensors="pt")
    assert torch.equal(torch.from_numpy(T5Tokeniser(path, 12)(sentences)), expected.input_ids)


def test_frozen_tensors_stored_in_a_checkpoint_stand_in_for_the_sources(
    published: EncoderSource, tmp_path: Path
) -> None:
    network = TraceGen(TINY_TRACEGEN, published)
    stored = tmp_path / "checkpoint" / "encoders.safetensors"
    stored.parent.mkdir()
    save_file(network.frozen_parameters(), stored)
    assert isinstance(network.t5.tokeniser, T5Tokeniser)
    network.t5.tokeniser.save(stored.parent)
    again = TraceGen(TINY_TRACEGEN, EncoderSource(stored=stored, download=False))
    assert again.encoder_digests() == network.encoder_digests()
    hashed = TraceGen(TINY_TRACEGEN, EncoderSource(stored=stored, hashed_words=True))
    assert hashed.encoder_digests() == {**network.encoder_digests(), "tokeniser": HASHED_WORDS}


def test_digests_notice_one_changed_number(published: EncoderSource) -> None:
    network = TraceGen(TINY_TRACEGEN, published)
    before = network.encoder_digests()
    next(network.siglip.tower.parameters()).view(-1)[0] += 1e-3
    after = network.encoder_digests()
    assert [name for name in before if before[name] != after[name]] == ["siglip"]


def test_missing_weights_are_named_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(EncoderWeightsError) as caught:
        TraceGen(TINY_TRACEGEN, EncoderSource(download=False, dinov3="vit_nowhere_patch16_dinov3"))
    for part in (
        "dinov3: the pretrained model 'vit_nowhere_patch16_dinov3' is missing",
        "model.safetensors of timm/vit_nowhere_patch16_dinov3",
        "hf download timm/vit_nowhere_patch16_dinov3",
        "encoders.dinov3=FOLDER",
        "--encoders dinov3=FOLDER",
        "--random-encoders",
    ):
        assert part in str(caught.value)
    with pytest.raises(
        EncoderWeightsError, match=rf"dinov3: the folder {tmp_path} holds no model.safetensors"
    ):
        TraceGen(TINY_TRACEGEN, EncoderSource(dinov3=str(tmp_path)))


def test_files_that_are_not_what_they_should_be_are_refused(published: EncoderSource, tmp_path: Path) -> None:
    pickled, damaged, tokens = (tmp_path / name for name in ("a.pth", "b.safetensors", "tokenizer.json"))
    for file in (pickled, damaged, tokens):
        file.write_bytes(b"\x80\x04no weights")
    for location, complaint in (
        (str(pickled), "is not a .safetensors file, and other kinds may run code"),
        (str(damaged), "is not a readable safetensors file"),
    ):
        with pytest.raises(EncoderWeightsError, match=complaint):
            TraceGen(TINY_TRACEGEN, EncoderSource(dinov3=location))
    with pytest.raises(EncoderWeightsError, match="is no readable tokeniser"):
        T5Tokeniser(tokens, 12)
    pieces = tokenizers.Tokenizer(models.WordLevel({"<unk>": 0, "put": 1}, unk_token="<unk>"))
    pieces.save(str(tokens))
    with pytest.raises(EncoderWeightsError, match="expected <pad> to have the id 0, found None"):
        T5Tokeniser(tokens, 12)


def test_weights_of_another_model_are_refused_with_every_difference(published: EncoderSource) -> None:
    assert published.dinov3 is not None
    tensors = load_file(Path(published.dinov3) / "model.safetensors")
    del tensors["cls_token"]
    rewrite(published.dinov3, {**tensors, "norm.weight": torch.zeros(7), "pos_embed": torch.zeros(1)})
    with pytest.raises(EncoderWeightsError) as caught:
        TraceGen(TINY_TRACEGEN, published)
    for part in (
        "missing: cls_token",
        "unexpected: pos_embed",
        r"norm.weight: expected (32,), found (7,)",
    ):
        assert part in str(caught.value)
