from __future__ import annotations

import subprocess
import sys

import pytest

import otmel.data


def test_every_public_name_is_there_and_listed():
    for name in otmel.data.__all__:
        assert getattr(otmel.data, name) is not None
    assert set(otmel.data.__all__) <= set(dir(otmel.data))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = otmel.data.nothing


def test_loading_data_loads_nothing_heavy(tiny_dataset_folder):
    script = (
        "import sys, otmel.data as data\n"
        "assert 'otmel.data.datasets' not in sys.modules\n"
        f"assert len(data.load_dataset({str(tiny_dataset_folder)!r}).graph) == 12\n"
        "heavy = {'torch', 'transformers', 'sklearn', 'matplotlib', 'polars', 'numpy'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)
