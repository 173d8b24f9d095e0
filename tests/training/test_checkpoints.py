"""What is known of checkpoints by their names and times; damage and resumption are tested in ``test_resume``."""

from __future__ import annotations

import os
from pathlib import Path

from transformers.trainer_utils import rotate_checkpoints

from otmel.training.checkpoints import dated_by_step


def test_copied_checkpoints_go_in_the_order_of_their_steps(tmp_path: Path) -> None:
    for step, then in ((2, 4e8), (10, 3e8), (4, 9e8)):
        (tmp_path / f"checkpoint-{step}").mkdir()
        os.utime(tmp_path / f"checkpoint-{step}", (then, then))
    dated_by_step(tmp_path)
    (tmp_path / "checkpoint-12").mkdir()
    rotate_checkpoints(output_dir=str(tmp_path), save_total_limit=2, use_mtime=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoint-10", "checkpoint-12"]
