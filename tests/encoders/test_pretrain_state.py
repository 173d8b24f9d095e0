"""The unfinished state survives in full or not at all."""

import torch

from otmel.encoders.pretrain_state import Progress


def run(folder, steps: int, fingerprint: str = "a") -> tuple[Progress, list[torch.nn.Parameter], int]:
    torch.manual_seed(0)
    parameters = [torch.nn.Parameter(torch.randn(3, 2)), torch.nn.Parameter(torch.randn(()))]
    progress = Progress(folder, parameters, torch.optim.AdamW(parameters, lr=0.1), fingerprint)
    first = progress.restore()
    for step in range(first, steps):
        progress.optimizer.zero_grad()
        sum((parameter**2).sum() * (step + 1) for parameter in parameters).backward()
        progress.optimizer.step()
        progress.write({"step": step, "loss": float(step)})
    return progress, parameters, first


def test_weights_and_moments_come_back(tmp_path):
    _, expected, _ = run(tmp_path / "whole", 9)
    run(tmp_path / "parts", 4)[0].save(4)
    progress, resumed, first = run(tmp_path / "parts", 9)
    assert first == 4
    assert all(torch.equal(one, other) for one, other in zip(expected, resumed, strict=True))
    assert progress.recent_loss() == sum(range(9)) / 9


def test_lines_after_the_saved_step_are_dropped_from_the_log(tmp_path):
    progress, *_ = run(tmp_path, 4)
    progress.save(2)
    with progress.log.open("a") as file:
        file.write('{"step": 4, "lo')  # killed while writing
    progress, *_ = run(tmp_path, 2)
    assert [line["step"] for line in progress._lines()] == [0, 1]


def test_another_fingerprint_starts_over(tmp_path):
    run(tmp_path, 3)[0].save(3)
    progress, _, first = run(tmp_path, 0, "b")
    assert first == 0
    assert progress.log.read_text() == ""
    assert progress.recent_loss() == 0


def test_a_state_before_the_first_step_can_be_restored(tmp_path):
    run(tmp_path, 0)[0].save(0)
    assert run(tmp_path, 2)[2] == 0
