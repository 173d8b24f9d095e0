import pytest
import torch
from PIL import Image
from transformers import CLIPModel

from otmel.encoders.settings import TowerSettings
from otmel.encoders.tiny import clip_config, image_processor, initialise


def test_the_configuration_follows_settings_and_tokenizer(tokenizer):
    towers = TowerSettings(width=24, heads=3, text_layers=1, vision_layers=2, image_size=32, patch_size=4)
    config = clip_config(towers, tokenizer)
    assert config.text_config.vocab_size == len(tokenizer)
    assert config.text_config.eos_token_id == tokenizer.eos_token_id
    assert (config.vision_config.image_size, config.vision_config.patch_size) == (32, 4)
    assert config.projection_dim == config.text_config.hidden_size == config.vision_config.hidden_size == 24


def test_the_whole_image_is_seen():
    wide = Image.new("RGB", (80, 20))
    wide.paste((255, 255, 255), (0, 0, 10, 20))
    pixels = image_processor(16)(images=[wide], return_tensors="pt")["pixel_values"][0]
    assert pixels.shape == (3, 16, 16)
    assert pixels[0, 8, 0] > 1 > pixels[0, 8, 8]


def test_initial_weights_suit_a_narrow_tower(tokenizer):
    torch.manual_seed(0)
    model = CLIPModel(clip_config(TowerSettings(width=64), tokenizer)).eval()
    before = {name: weight.clone() for name, weight in model.named_parameters()}
    initialise(model)
    after = dict(model.named_parameters())
    assert after["text_model.embeddings.token_embedding.weight"].std().item() == pytest.approx(0.3, rel=0.05)
    assert after["vision_model.embeddings.class_embedding"].std().item() == pytest.approx(0.1, rel=0.3)
    for name, weight in after.items():
        if weight.dim() < 2 and "embedding" not in name:  # biases, norms and the scale
            assert torch.equal(weight, before[name]), name
        elif name.endswith("fc1.weight"):  # Xavier: the variance of a uniform of width 2 sqrt(6 / (in + out))
            assert weight.std().item() == pytest.approx((2 / sum(weight.shape)) ** 0.5, rel=0.05)
