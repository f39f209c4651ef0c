"""Pretrained encoders at toy size: real `transformers` classes with random weights, saved to a folder."""

from pathlib import Path

WIDTH = 32
LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.,?!'-"


def write_wav2vec2(folder: Path) -> Path:
    """The published hop and receptive field, 50 rows per second."""
    import torch
    import transformers

    config = transformers.Wav2Vec2Config(
        vocab_size=32, hidden_size=WIDTH, num_hidden_layers=1, num_attention_heads=2, intermediate_size=48,
        conv_dim=(8,) * 7, num_conv_pos_embeddings=16, num_conv_pos_embedding_groups=2,
    )  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        transformers.Wav2Vec2Model(config).save_pretrained(folder)
    return folder


def write_bert(folder: Path, positions: int = 96) -> Path:
    """Reads any English word, letter by letter."""
    import torch
    import transformers

    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    vocabulary = [*special, *LETTERS, *(f"##{letter}" for letter in LETTERS)]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.txt").write_text("\n".join(vocabulary))
    transformers.BertTokenizerFast(str(folder / "vocab.txt"), do_lower_case=False).save_pretrained(folder)
    config = transformers.BertConfig(
        vocab_size=len(vocabulary), hidden_size=WIDTH, num_hidden_layers=4, num_attention_heads=2,
        intermediate_size=48, max_position_embeddings=positions,
    )  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(2)
        transformers.BertModel(config).save_pretrained(folder)
    return folder


def write_wav2vec2_ctc(folder: Path) -> Path:
    """The same with a head for 32 letters."""
    import torch
    import transformers

    config = transformers.Wav2Vec2Config.from_pretrained(write_wav2vec2(folder))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        transformers.Wav2Vec2ForCTC(config).save_pretrained(folder)
    return folder


def write_clip_text(folder: Path, positions: int = 12) -> Path:
    """A text tower with its projection; reads any word, letter by letter."""
    import torch
    import transformers

    letters = [*LETTERS, *(f"{letter}</w>" for letter in LETTERS)]
    tokens = dict.fromkeys(["!", *letters, "<|startoftext|>", "<|endoftext|>"])
    vocabulary = {token: k for k, token in enumerate(tokens)}
    folder.mkdir(parents=True, exist_ok=True)
    transformers.CLIPTokenizerFast(vocab=vocabulary, merges=[]).save_pretrained(folder)
    config = transformers.CLIPTextConfig(
        vocab_size=len(vocabulary), hidden_size=WIDTH, num_hidden_layers=2, num_attention_heads=2, intermediate_size=48,
        max_position_embeddings=positions, projection_dim=24, eos_token_id=vocabulary["<|endoftext|>"],
    )  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(4)
        transformers.CLIPTextModelWithProjection(config).save_pretrained(folder)
    return folder
