"""Drawing of scenes: emblems on a plain ground, partly hidden, with the box of each."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from otmel.data.world_records import Emblem, Scene, WorldSettings

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw

Box: TypeAlias = tuple[int, int, int, int]
"""Left, top, right, bottom in pixels; right and bottom are exclusive."""
Circle: TypeAlias = tuple[float, float, float]
"""Centre (x, y) and radius."""

FINER = 3  # emblems are drawn this many times larger and then reduced: smooth edges
COLOURS = ((205, 40, 40), (45, 80, 210), (40, 160, 60), (225, 205, 40), (140, 55, 175), (235, 135, 30))
BLACK, WHITE, GOLD, STEEL = (15, 15, 15, 255), (245, 245, 245, 255), (250, 215, 60, 255), (90, 95, 100, 255)


@dataclass(frozen=True, slots=True)
class Picture:
    """A drawn scene: the image and the true box of every object, in the order of its emblems."""

    image: Image
    boxes: tuple[Box, ...]


def draw(scene: Scene, settings: WorldSettings) -> Picture:
    """Draw a scene; equal arguments give equal pixels."""
    from PIL import Image

    rng, size = Random(scene.seed), settings.image_size
    light = rng.random() < 0.7
    ground = tuple(rng.randint(170, 235) if light else rng.randint(60, 120) for _ in range(3))
    canvas = Image.new("RGB", (size, size), ground)
    boxes = []
    for emblem, (left, top, side) in zip(scene.emblems, _places(len(scene.emblems), size, rng), strict=True):
        drawn = emblem_image(emblem, side, rng, settings.jitter)
        canvas.paste(drawn, (left, top), drawn)
        inner = drawn.getbbox() or (0, 0, side, side)
        boxes.append((left + inner[0], top + inner[1], left + inner[2], top + inner[3]))
        if rng.random() < scene.occlusion:
            canvas.paste(ground, _hidden(left, top, side, rng))
    return Picture(_with_noise(canvas, settings.pixel_noise, rng), tuple(boxes))


def _places(count: int, size: int, rng: Random) -> Iterator[tuple[int, int, int]]:
    """Left, top and side of each object: anywhere when alone, else each in its own quarter."""
    half = size // 2
    if count == 1:
        corners = [(rng.randint(0, size - half), rng.randint(0, size - half))]
    else:
        corners = rng.sample([(0, 0), (half, 0), (0, half), (half, half)], count)
    for left, top in corners:
        side = rng.randint(half * 5 // 6, half)
        yield left + rng.randint(0, half - side), top + rng.randint(0, half - side), side


def _hidden(left: int, top: int, side: int, rng: Random) -> Box:
    wide, high = (rng.randint(side * 3 // 11, side * 5 // 11) for _ in range(2))
    x, y = left + rng.randint(0, side - wide), top + rng.randint(0, side - high)
    return x, y, x + wide, y + high


def _with_noise(canvas: Image, spread: float, rng: Random) -> Image:
    from PIL import Image

    noise = np.random.RandomState(rng.getrandbits(32)).standard_normal((*canvas.size[::-1], 3))
    pixels = np.asarray(canvas, np.float64) + 255 * spread * noise
    return Image.fromarray(np.clip(np.rint(pixels), 0, 255).astype(np.uint8))


def emblem_image(emblem: Emblem, side: int, rng: Random, jitter: float = 0.0) -> Image:
    """One emblem on a transparent square of ``side`` pixels."""
    from PIL import Image, ImageDraw

    large = side * FINER
    colour = tuple(max(0, min(255, round(v + rng.gauss(0, 14 * jitter)))) for v in COLOURS[emblem.colour])
    shape = Image.new("L", (large, large), 0)
    centre, radius = (large / 2, large * 0.58), large * 0.40
    _face(ImageDraw.Draw(shape), emblem.face, (*centre, radius), rng.uniform(-0.12, 0.12) * jitter)
    body = Image.new("RGBA", (large, large), (*colour, 255))
    _pattern(ImageDraw.Draw(body), emblem.pattern, large, (*(round(v * 0.35) for v in colour), 255))
    canvas = Image.new("RGBA", (large, large), (0, 0, 0, 0))
    canvas.paste(body, (0, 0), shape)
    _accessory(ImageDraw.Draw(canvas), emblem.accessory, (*centre, radius), large)
    return canvas.resize((side, side), Image.Resampling.BOX)


def _corners(circle: Circle, count: int, turn: float, inner: float = 1.0) -> list[tuple[float, float]]:
    """Corners on a circle; with ``inner`` below 1 every other one lies on a smaller circle: a star."""
    x, y, radius = circle
    angles = [turn + 2 * math.pi * i / count - math.pi / 2 for i in range(count)]
    reach = [radius * (inner if i % 2 else 1.0) for i in range(count)]
    return [(x + r * math.cos(a), y + r * math.sin(a)) for a, r in zip(angles, reach, strict=True)]


def _face(pen: ImageDraw, kind: int, circle: Circle, turn: float) -> None:
    x, y, r = circle
    wide = (x, y, r * 1.15)
    if kind == 0:
        pen.ellipse((x - r, y - r, x + r, y + r), fill=255)
        return
    corners = {
        1: _corners(wide, 4, math.pi / 4 + turn),
        2: _corners(wide, 3, turn),
        3: _corners(wide, 10, turn, inner=0.5),
        4: _corners(wide, 4, turn),
        5: _corners((x, y, r * 1.05), 6, turn),
    }
    pen.polygon(corners[kind], fill=255)


def _pattern(pen: ImageDraw, kind: int, side: int, dark: tuple[int, ...]) -> None:
    if kind == 1:
        for x in range(0, side, side // 6):
            pen.rectangle((x, 0, x + side // 12, side), fill=dark)
    elif kind == 2:
        for x in range(side // 12, side, side // 5):
            for y in range(side // 12, side, side // 5):
                pen.ellipse((x, y, x + side // 10, y + side // 10), fill=dark)
    elif kind == 3:
        half, middle = side // 20, side // 2
        pen.rectangle((middle - half, 0, middle + half, side), fill=dark)
        pen.rectangle((0, round(side * 0.58) - half, side, round(side * 0.58) + half), fill=dark)


def _accessory(pen: ImageDraw, kind: int, circle: Circle, side: int) -> None:
    x, y, r = circle
    line = max(2, side // 20)
    if kind == 0:  # mask
        pen.rectangle((x - r * 0.9, y - r * 0.55, x + r * 0.9, y - r * 0.05), fill=BLACK)
    elif kind == 1:  # goggles
        for eye in (x - r * 0.45, x + r * 0.45):
            pen.ellipse((eye - r * 0.4, y - r * 0.6, eye + r * 0.4, y + r * 0.2), fill=WHITE, outline=BLACK, width=line)
    elif kind == 2:  # toque
        pen.rectangle((x - r * 0.6, 0, x + r * 0.6, side * 0.28), fill=WHITE)
    elif kind == 3:  # crown
        foot, low = side * 0.3, side * 0.15
        points = [(-0.7, foot), (-0.7, 0), (-0.3, low), (0, 0), (0.3, low), (0.7, 0), (0.7, foot)]
        pen.polygon([(x + r * across, height) for across, height in points], fill=GOLD, outline=BLACK)
    elif kind == 4:  # tie
        pen.polygon([(x - r * 0.3, y + r * 0.1), (x + r * 0.3, y + r * 0.1), (x, y + r)], fill=WHITE, outline=BLACK)
    else:  # helmet
        pen.pieslice((x - r, 0, x + r, side * 0.7), 180, 360, fill=STEEL)
