"""Names and shapes of published weights. The lists lie outside the checkout; without them these tests are skipped."""

import json
from pathlib import Path

import pytest
import torch

from gesturebench.common.codecs.vq_config import ConvConfig, VQConfig
from gesturebench.common.codecs.vq_vae import VQVAE, ConvAutoencoder
from gesturebench.common.motion.parts import PART_FEATURES
from gesturebench.methods.emage.config import EmageConfig
from gesturebench.methods.emage.network import AudioModel

MANIFESTS = Path(__file__).parents[4] / "shared" / "reference" / "manifests"
LOWER_LAYERS = 4
NETWORKS = {
    "audio": lambda: AudioModel(EmageConfig()),
    "vq_face": lambda: VQVAE(PART_FEATURES["face"], VQConfig()),
    "vq_upper": lambda: VQVAE(PART_FEATURES["upper"], VQConfig()),
    "vq_hands": lambda: VQVAE(PART_FEATURES["hands"], VQConfig()),
    "vq_lower": lambda: VQVAE(PART_FEATURES["lower"], VQConfig(layers=LOWER_LAYERS)),
    "global": lambda: ConvAutoencoder(PART_FEATURES["lower"], ConvConfig(layers=LOWER_LAYERS)),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_the_published_sizes_have_the_published_tensors(name):
    path = MANIFESTS / f"emage_{name}.json"
    if not path.exists():
        pytest.skip(f"no manifest at {path}")
    published = {key: tuple(tensor["shape"]) for key, tensor in json.loads(path.read_text()).items()}
    with torch.device("meta"):
        ours = NETWORKS[name]()
    assert {key: tuple(tensor.shape) for key, tensor in ours.state_dict().items()} == published
