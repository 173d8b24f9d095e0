"""What happens to a decoded image before anybody sees it: turned upright, made RGB, and Pillow kept quiet."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image

_STRETCHED = ("I", "F")
_WHITE = (255, 255, 255, 255)


def upright(image: Image) -> Image:
    """The image turned as its EXIF orientation says."""
    from PIL import ImageOps

    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # EXIF data that cannot be read states no orientation
        return image


def as_rgb(image: Image) -> Image:
    """The image in RGB: transparency laid on white, grey of more than eight bits scaled."""
    from PIL import Image

    if image.mode.startswith("I;16"):
        return _grey(image, 0.0, 65535.0)
    if image.mode in _STRETCHED:
        low, high = image.getextrema()
        return _grey(image, min(0.0, float(low)), float(high))  # pyright: ignore[reportArgumentType]
    if "transparency" in image.info or image.mode in ("RGBA", "RGBa", "LA", "La", "PA"):
        layer = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", layer.size, _WHITE), layer).convert("RGB")
    return image.convert("RGB")


def _grey(image: Image, low: float, high: float) -> Image:
    """Grey values from ``low`` to ``high`` as RGB from 0 to 255; what is not finite becomes black."""
    import numpy as np
    from PIL import Image

    values = np.asarray(image, dtype=np.float64)
    scaled = (values - low) * (255.0 / (high - low)) if high > low else np.zeros_like(values)
    eight_bits = np.nan_to_num(scaled, nan=0.0, posinf=255.0, neginf=0.0).clip(0, 255).round().astype(np.uint8)
    return Image.fromarray(eight_bits).convert("RGB")


_quiet_lock = threading.Lock()
_quiet_state: list[warnings.catch_warnings] = []
_quiet_depth = 0


@contextmanager
def quiet_pillow() -> Iterator[None]:
    """Silence Pillow's own warnings. Threads share one filter: the first sets it, the last takes it away."""
    global _quiet_depth
    with _quiet_lock:
        if _quiet_depth == 0:
            _quiet_state.append(warnings.catch_warnings())
            _quiet_state[0].__enter__()
            warnings.filterwarnings("ignore", module=r"PIL\b")
        _quiet_depth += 1
    try:
        yield
    finally:
        with _quiet_lock:
            _quiet_depth -= 1
            if _quiet_depth == 0:
                _quiet_state.pop().__exit__(None, None, None)
