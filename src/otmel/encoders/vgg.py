"""VGG-16 as a vision tower whose keys are those of torchvision's published weights.

Simonyan and Zisserman, Very Deep Convolutional Networks for Large-Scale Image Recognition, ICLR 2015, configuration D:
blocks of 3×3 convolutions with ReLU, each followed by a 2×2 maximum, then three fully connected layers.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, PretrainedConfig, PreTrainedModel, ViTImageProcessorPil, initialization
from transformers.modeling_outputs import BaseModelOutputWithPooling
from transformers.utils.constants import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD

from otmel.errors import CheckpointError
from otmel.inputs.pretrained import quiet

VGG16 = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))


class VggConfig(PretrainedConfig):
    """Configuration of a VGG.

    Args:
        blocks: channels of every convolution, block by block; each block halves height and width.
        hidden_size: width of the first two fully connected layers, and of the summary.
        grid: side of the grid of features that the fully connected layers read.
        classes: width of the last layer, which published weights have and nothing here reads.
        image_size: pixels of the side of the images it is built for.
        dropout: after the first two fully connected layers.
    """

    model_type = "otmel-vgg"

    def __init__(
        self,
        blocks: Sequence[Sequence[int]] = VGG16,
        hidden_size: int = 4096,
        grid: int = 7,
        classes: int = 1000,
        image_size: int = 224,
        dropout: float = 0.5,
        **kwargs: Any,
    ) -> None:
        self.blocks = [list(block) for block in blocks]
        self.hidden_size, self.grid, self.classes = hidden_size, grid, classes
        self.image_size, self.dropout = image_size, dropout
        super().__init__(**kwargs)

    @property
    def patch_size(self) -> int:
        """Pixels of the side of what one place of the grid stands for."""
        return 2 ** len(self.blocks)

    @property
    def token_size(self) -> int:
        """Channels of a place of the grid."""
        return self.blocks[-1][-1]


class VggModel(PreTrainedModel):
    """The convolutions' grid, row by row, as ``last_hidden_state``; the second fully connected layer as summary."""

    config_class = VggConfig
    base_model_prefix = "vgg"
    main_input_name = "pixel_values"

    def __init__(self, config: VggConfig) -> None:
        super().__init__(config)
        self.features = nn.Sequential(*_convolutions(config.blocks))
        self.avgpool = nn.AdaptiveAvgPool2d(config.grid)
        widths = (config.token_size * config.grid**2, config.hidden_size, config.hidden_size)
        dense = [
            layer
            for narrow, wide in pairwise(widths)
            for layer in (nn.Linear(narrow, wide), nn.ReLU(), nn.Dropout(config.dropout))
        ]
        self.classifier = nn.Sequential(*dense, nn.Linear(config.hidden_size, config.classes))
        self.post_init()

    def forward(self, pixel_values: Float[Tensor, "B 3 H W"], **_: Any) -> BaseModelOutputWithPooling:
        """Places of the grid ``[B, grid², c]`` and fc7 ``[B, hidden_size]``."""
        grid = self.avgpool(self.features(pixel_values))
        return BaseModelOutputWithPooling(
            last_hidden_state=grid.flatten(2).transpose(1, 2),
            pooler_output=self.classifier[:-1](grid.flatten(1)),
        )

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        """He's initialisation, under which variance passes through ReLU unchanged."""
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            initialization.kaiming_normal_(module.weight, mode="fan_in", nonlinearity="relu")
            if module.bias is not None:
                initialization.zeros_(module.bias)


def _convolutions(blocks: Sequence[Sequence[int]]) -> list[nn.Module]:
    layers: list[nn.Module] = []
    channels = 3
    for block in blocks:
        for width in block:
            layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
            channels = width
        layers.append(nn.MaxPool2d(2))
    return layers


def vgg_image_processor(config: VggConfig) -> ViTImageProcessorPil:
    """Scales the whole image to a square (torchvision crops the centre) and normalises it as for ImageNet."""
    side = {"height": config.image_size, "width": config.image_size}
    return ViTImageProcessorPil(size=side, image_mean=IMAGENET_DEFAULT_MEAN, image_std=IMAGENET_DEFAULT_STD)


def vgg_from_torchvision(path: str | Path, folder: str | Path) -> VggModel:
    """VGG-16 with torchvision's published weights, saved to a folder that ``--encoder TEXT+FOLDER`` takes.

    Args:
        path: the file of weights, such as ``vgg16-397923af.pth`` from download.pytorch.org/models.
        folder: where model and image processor are written.

    Raises:
        CheckpointError: the file cannot be read, or holds the weights of another model.
    """
    cure = "give torchvision's VGG-16 without batch norm: download.pytorch.org/models/vgg16-397923af.pth"
    config = VggConfig()
    with torch.device("meta"):  # initial weights of 138 million parameters take seconds
        model = VggModel(config)
    try:
        model.load_state_dict(torch.load(path, map_location="cpu", weights_only=True), assign=True)
    except Exception as fault:  # torch raises half a dozen kinds for a missing, broken or unsafe file
        first = " ".join(str(fault).split())[:200]
        raise CheckpointError(f"these are no weights of VGG-16: {first}", where=str(path), cure=cure) from fault
    with quiet():
        model.eval().save_pretrained(folder)
        vgg_image_processor(config).save_pretrained(folder)
    return model


AutoConfig.register(VggConfig.model_type, VggConfig)
AutoModel.register(VggConfig, VggModel)
