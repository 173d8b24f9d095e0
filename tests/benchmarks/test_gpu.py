"""The benchmark of the GPU says why it measures nothing where there is none."""

from __future__ import annotations

import pytest
import torch

from benchmarks import gpu


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_without_a_gpu_nothing_is_measured_and_nothing_written(tmp_path, capsys):
    assert gpu.main(["--quick", "--json", str(tmp_path / "gpu.json")]) == 0
    assert "nothing measured" in capsys.readouterr().out
    assert not list(tmp_path.iterdir())


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device here")
def test_every_way_is_measured_on_a_gpu(tmp_path):
    assert gpu.main(["--tiny", "--json", str(tmp_path / "gpu.json")]) == 0
    assert (tmp_path / "gpu.json").exists()
