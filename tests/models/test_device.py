"""Where models compute."""

from __future__ import annotations

import os
import subprocess
import sys

import torch

from otmel.models.bundle import Bundle
from otmel.models.device import device, placed


def test_a_model_that_is_loaded_computes_where_one_that_is_trained_does(tiny_run):
    assert {weight.device.type for weight in Bundle.load(tiny_run).model.parameters()} == {device().type}
    module = torch.nn.Linear(2, 2)
    assert placed(module) is module
    assert module.weight.device.type == device().type == ("cuda" if torch.cuda.is_available() else "cpu")


def test_hiding_the_devices_leaves_the_cpu():
    code = "from otmel.models.device import device; print(device())"
    hidden = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run([sys.executable, "-c", code], env=hidden, capture_output=True, text=True, check=True)
    assert done.stdout == "cpu\n"
