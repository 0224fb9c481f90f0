"""CLIP, SigLIP and Chinese-CLIP with tiny random weights, in the folders that ``transformers`` reads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import (
    ChineseCLIPConfig,
    ChineseCLIPModel,
    CLIPConfig,
    CLIPModel,
    SiglipConfig,
    SiglipModel,
)

SIDE = 32
LETTERS = [chr(code) for code in range(33, 127)]
SMALL = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
VISION = {**SMALL, "image_size": SIDE, "patch_size": 8}


def write(file: Path, content: object) -> None:
    file.write_text(json.dumps(content), encoding="utf-8")


def preprocessor(folder: Path, **changes: Any) -> None:
    """``preprocessor_config.json`` as CLIP's own reads, with changes."""
    usual = {
        "crop_size": {"height": SIDE, "width": SIDE},
        "do_center_crop": True,
        "do_normalize": True,
        "do_resize": True,
        "image_mean": [0.48145466, 0.4578275, 0.40821073],
        "image_std": [0.26862954, 0.26130258, 0.27577711],
        "resample": 3,
        "size": {"shortest_edge": SIDE},
    }
    write(folder / "preprocessor_config.json", {**usual, **changes})


def clip(folder: Path) -> Path:
    """A CLIP whose tokenizer knows single letters."""
    torch.manual_seed(0)
    text = {**SMALL, "vocab_size": 300, "max_position_embeddings": 20}
    text |= {"bos_token_id": 298, "eos_token_id": 299, "pad_token_id": 299}
    CLIPModel(CLIPConfig(text_config=text, vision_config=VISION, projection_dim=24)).save_pretrained(folder)
    preprocessor(folder)
    vocab = {token: place for place, token in enumerate([*LETTERS, *(letter + "</w>" for letter in LETTERS)])}
    write(folder / "vocab.json", {**vocab, "<|startoftext|>": 298, "<|endoftext|>": 299})
    (folder / "merges.txt").write_text("#version: 0.2\n")
    write(folder / "tokenizer_config.json", {"tokenizer_class": "CLIPTokenizer", "model_max_length": 20})
    return folder


def siglip(folder: Path) -> Path:
    """A SigLIP with a tokenizer in one file, since its own needs sentencepiece."""
    torch.manual_seed(0)
    text = {**SMALL, "vocab_size": 120, "max_position_embeddings": 16, "projection_size": 32}
    SiglipModel(SiglipConfig(text_config=text, vision_config=VISION)).save_pretrained(folder)
    changes = {"image_mean": [0.5] * 3, "image_std": [0.5] * 3, "size": {"height": SIDE, "width": SIDE}}
    preprocessor(folder, do_center_crop=False, crop_size=None, **changes)
    tokenizer = Tokenizer(
        models.WordLevel({"</s>": 0, "<unk>": 1, **{a: n + 2 for n, a in enumerate(LETTERS)}}, "<unk>")
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 0)])
    tokenizer.save(str(folder / "tokenizer.json"))
    names = {"eos_token": "</s>", "pad_token": "</s>", "unk_token": "<unk>"}
    write(
        folder / "tokenizer_config.json",
        {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": 16, **names},
    )
    return folder


def chinese_clip(folder: Path) -> Path:
    """A Chinese-CLIP with the tokenizer of BERT."""
    torch.manual_seed(0)
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"红色连衣裙蓝牛仔裤的", *LETTERS]
    text = {**SMALL, "vocab_size": len(words), "max_position_embeddings": 64, "pad_token_id": 0}
    config = ChineseCLIPConfig(text_config=text, vision_config=VISION, projection_dim=24)
    ChineseCLIPModel(config).save_pretrained(folder)
    preprocessor(folder, do_center_crop=False, size={"height": SIDE, "width": SIDE})
    (folder / "vocab.txt").write_text("\n".join(words), encoding="utf-8")
    write(folder / "tokenizer_config.json", {"tokenizer_class": "BertTokenizer", "model_max_length": 512})
    return folder


MAKERS = {"clip": clip, "siglip": siglip, "chinese_clip": chinese_clip}
