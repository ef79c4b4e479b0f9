"""The appearance of an identity: build, skin, hair, clothes and bags, the same in every camera."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal, TypeVar

import numpy as np

from visnet_aug.datasets.drawn.canvas import Colour
from visnet_aug.datasets.drawn.textile import Cloth, Pattern

Hair = Literal["bald", "short", "bob", "long", "ponytail", "bun"]
Hat = Literal["none", "cap", "sunhat"]
Cut = Literal["tee", "polo", "tank", "long", "open"]
Lower = Literal["trousers", "leggings", "capri", "shorts", "hotpants", "skirt", "dress"]
Footwear = Literal["sneakers", "shoes", "sandals"]
Bag = Literal["none", "backpack", "shoulder", "hand"]


@dataclass(frozen=True, slots=True)
class Body:
    """Half widths in body heights; ``height`` is relative to the average.

    ``stout`` scales the depth of the trunk and the thickness of all limbs.
    """

    shoulders: float
    chest: float
    waist: float
    hips: float
    bust: float
    stout: float
    height: float
    skin: Colour


@dataclass(frozen=True, slots=True)
class Wardrobe:
    """One identity.

    Attributes:
        body: Build and skin.
        hair: Hair style.
        hair_colour: Hair colour.
        fringe: Length of the fringe on the forehead, as a fraction of half a head.
        hat: Kind of hat.
        hat_colour: Colour of the hat.
        glasses: Whether the person wears dark glasses.
        cut: Cut of the top.
        top: Cloth of the top.
        inner: Colour of the shirt under an open jacket.
        shirt_hem: Height at which the top ends, in body heights.
        lower: Garment on the legs.
        cloth: Cloth of the lower garment, or of the whole dress.
        flare: Width of a skirt's hem beyond the hips, as a fraction of the hips' width.
        hem: Length of a skirt below the hips in body heights.
        feet: Kind of shoes.
        shoes: Colour of the shoes.
        sole: Colour of the soles and socks.
        backpack: Colour of the backpack, if any.
        shoulder_bag: Colour of the shoulder bag, if any.
        handbag: Colour of the handbag, if any.
        bag_side: 1 for the left, -1 for the right.
        bag_accent: Second colour of the bags.
        umbrella: Colour of the umbrella, if any.
        bicycle: Colour of the bicycle, if any.
        habit: Selects the usual pose of the arms.
    """

    body: Body
    hair: Hair
    hair_colour: Colour
    fringe: float
    hat: Hat
    hat_colour: Colour
    glasses: bool
    cut: Cut
    top: Cloth
    inner: Colour
    shirt_hem: float
    lower: Lower
    cloth: Cloth
    flare: float
    hem: float
    feet: Footwear
    shoes: Colour
    sole: Colour
    backpack: Colour | None
    shoulder_bag: Colour | None
    handbag: Colour | None
    bag_side: int
    bag_accent: Colour
    umbrella: Colour | None
    bicycle: Colour | None
    habit: int


_TOPS: Final[tuple[Colour, ...]] = (
    (228, 228, 224), (222, 222, 226), (224, 220, 214), (30, 30, 34), (34, 34, 38), (38, 38, 42),
    (120, 122, 126), (168, 168, 168), (34, 44, 82), (40, 72, 150), (92, 148, 205), (150, 30, 40),
    (205, 45, 50), (222, 120, 140), (40, 130, 70), (80, 190, 110), (30, 150, 150), (190, 215, 60),
    (225, 190, 60), (230, 215, 170), (235, 130, 50), (100, 60, 130), (120, 85, 60),
    (176, 150, 120), (150, 205, 190),
)  # fmt: skip
_LOWERS: Final[tuple[Colour, ...]] = (
    (26, 26, 30), (34, 34, 38), (30, 30, 34), (44, 54, 84), (40, 46, 62), (110, 108, 104),
    (150, 140, 120), (186, 172, 140), (206, 200, 188), (84, 78, 60), (92, 40, 44), (70, 72, 74),
    (220, 220, 220),
)  # fmt: skip
_DENIMS: Final[tuple[Colour, ...]] = ((44, 58, 92), (62, 82, 122), (92, 116, 152), (36, 44, 66))
_BRIGHT: Final[tuple[Colour, ...]] = (
    (210, 40, 50), (40, 80, 190), (240, 200, 40), (235, 120, 40), (230, 90, 140), (40, 150, 80),
    (120, 60, 160), (30, 30, 34), (230, 230, 230), (90, 160, 220), (60, 60, 66), (130, 90, 60),
)  # fmt: skip
_BAGS: Final[tuple[Colour, ...]] = (
    (24, 24, 28), (30, 30, 36), (28, 28, 30), (42, 46, 62), (70, 72, 78), (120, 40, 44),
    (40, 60, 120), (100, 74, 50), (60, 80, 60), (190, 60, 100), (160, 160, 160), (60, 130, 160),
    (200, 170, 120),
)  # fmt: skip
_SKINS: Final[tuple[Colour, ...]] = (
    (232, 190, 165), (224, 178, 150), (214, 166, 136), (200, 150, 118), (176, 124, 94),
    (140, 96, 72), (100, 68, 52), (72, 50, 40),
)  # fmt: skip
_HAIRS: Final[tuple[Colour, ...]] = (
    (22, 20, 20), (26, 23, 22), (28, 24, 22), (34, 28, 26), (40, 30, 26), (52, 36, 28),
    (30, 26, 24), (26, 22, 20), (84, 58, 40), (128, 94, 58), (140, 138, 136), (88, 50, 36),
)  # fmt: skip
_SHOES: Final[tuple[Colour, ...]] = (
    (30, 30, 32), (36, 34, 36), (220, 220, 218), (205, 205, 205), (120, 120, 124), (60, 70, 110),
    (150, 50, 50), (100, 70, 50), (170, 140, 110), (70, 74, 80), (190, 110, 120),
)  # fmt: skip

_Choice = TypeVar("_Choice", bound=str)


class _Draw:
    """Weighted random choices from one generator."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng

    def chance(self, probability: float) -> bool:
        return bool(self.rng.random() < probability)

    def between(self, low: float, high: float) -> float:
        return float(self.rng.uniform(low, high))

    def seed(self) -> int:
        return int(self.rng.integers(1 << 30))

    def colour(self, palette: tuple[Colour, ...]) -> Colour:
        base = np.array(palette[int(self.rng.integers(len(palette)))])
        shade = base * self.rng.uniform(0.85, 1.12) + self.rng.normal(0, base * 0.03 + 1.5)
        red, green, blue = np.clip(shade, 12, 245).astype(int).tolist()
        return red, green, blue

    def pick(self, weights: Mapping[_Choice, float]) -> _Choice:
        shares = np.array(list(weights.values()))
        return list(weights)[int(self.rng.choice(len(weights), p=shares / shares.sum()))]

    def cloth(self, pattern: Pattern, palette: tuple[Colour, ...]) -> Cloth:
        """Return a cloth with two visibly different colours."""
        colour, accent = self.colour(palette), self.colour(_TOPS)
        while sum(abs(a - b) for a, b in zip(colour, accent, strict=True)) < 150:
            accent = self.colour(_TOPS)
        return Cloth(pattern, colour, accent, int(self.rng.integers(5, 13)), self.seed())


_LOWER_SLENDER: Final[dict[Lower, float]] = {
    "trousers": 2.5, "leggings": 1.5, "capri": 1, "shorts": 1.5, "hotpants": 2, "skirt": 1.6,
    "dress": 1.5,
}  # fmt: skip
_LOWER_BROAD: Final[dict[Lower, float]] = {"trousers": 5, "capri": 1, "shorts": 5}
_HAIR_SLENDER: Final[dict[Hair, float]] = {
    "long": 3, "ponytail": 3, "bob": 2, "bun": 1, "short": 0.7,
}  # fmt: skip
_HAIR_BROAD: Final[dict[Hair, float]] = {"short": 9, "bald": 0.8}
_CUTS: Final[dict[Cut, float]] = {"tee": 5, "polo": 1.5, "tank": 0.7, "long": 1.8, "open": 1.2}
_DRESS_CUTS: Final[dict[Cut, float]] = {"tee": 2, "tank": 2, "long": 0.5}
_TOP_PATTERNS: Final[dict[Pattern, float]] = {
    "plain": 6, "stripes": 1.2, "plaid": 1.2, "dots": 0.7, "flowers": 0.8, "blocks": 0.8,
    "print": 2.5,
}  # fmt: skip
_SKIRT_PATTERNS: Final[dict[Pattern, float]] = {"plain": 4, "flowers": 1, "dots": 0.7, "stripes": 1}
_LEG_PATTERNS: Final[dict[Pattern, float]] = {"plain": 6, "plaid": 0.5, "denim": 3}
_BAG_KINDS: Final[dict[Bag, float]] = {"none": 4, "backpack": 3.2, "shoulder": 1.8, "hand": 1.2}


@lru_cache(maxsize=4096)
def wardrobe(pid: int, seed: int = 0) -> Wardrobe:
    """Return the appearance of identity ``pid``, 0 or more, in the population ``seed``."""
    return _draw_wardrobe(np.random.default_rng((seed, 1, pid)))


def _draw_wardrobe(rng: np.random.Generator) -> Wardrobe:
    draw = _Draw(rng)
    slender = draw.chance(0.5)
    lower = draw.pick(_LOWER_SLENDER if slender else _LOWER_BROAD)
    bag = draw.pick(_BAG_KINDS)
    return Wardrobe(
        body=_body(draw, slender),
        hair=draw.pick(_HAIR_SLENDER if slender else _HAIR_BROAD),
        hair_colour=draw.colour(_HAIRS),
        fringe=max(draw.between(-0.2, 0.25), 0),
        hat=draw.pick({"none": 8, "cap": 0.9, "sunhat": 0.4 if slender else 0.05}),
        hat_colour=draw.colour(_BRIGHT),
        glasses=draw.chance(0.25),
        cut=draw.pick(_DRESS_CUTS if lower == "dress" else _CUTS),
        top=draw.cloth(draw.pick(_TOP_PATTERNS), _TOPS),
        inner=draw.colour(_TOPS),
        shirt_hem=float(rng.choice((0.485, 0.5, 0.555))),
        lower=lower,
        cloth=_lower_cloth(draw, lower),
        flare=draw.between(0, 0.55),
        hem=draw.between(0.12, 0.3),
        feet=draw.pick({"sneakers": 4, "shoes": 2, "sandals": 1.5}),
        shoes=draw.colour(_SHOES),
        sole=draw.colour(((225, 225, 222), (40, 40, 42))),
        backpack=draw.colour(_BAGS) if bag == "backpack" else None,
        shoulder_bag=draw.colour(_BAGS) if bag == "shoulder" else None,
        handbag=draw.colour(_BAGS + _BRIGHT) if bag == "hand" else None,
        bag_side=1 if draw.chance(0.5) else -1,
        bag_accent=draw.colour(_BRIGHT),
        umbrella=draw.colour(_BRIGHT) if draw.chance(0.06) else None,
        bicycle=draw.colour(_BRIGHT) if draw.chance(0.08) else None,
        habit=draw.seed(),
    )


def _lower_cloth(draw: _Draw, lower: Lower) -> Cloth:
    if lower in ("skirt", "dress"):
        return draw.cloth(draw.pick(_SKIRT_PATTERNS), _TOPS)
    if lower == "leggings":
        return draw.cloth("plain", _LOWERS[:5])
    pattern = draw.pick(_LEG_PATTERNS)
    return draw.cloth(pattern, _DENIMS if pattern == "denim" else _LOWERS)


def _body(draw: _Draw, slender: bool) -> Body:
    stout = float(np.clip(draw.rng.normal(1.0, 0.09), 0.86, 1.3))
    if slender:
        shoulders, chest, waist, hips, bust = 0.092, 0.080, 0.068, 0.090, 0.022
    else:
        shoulders, chest, waist, hips, bust = 0.108, 0.095, 0.084, 0.086, 0.004
    return Body(
        shoulders=shoulders * draw.between(0.95, 1.05),
        chest=chest * draw.between(0.95, 1.05),
        waist=waist * draw.between(0.95, 1.05) * (1 + 1.4 * max(stout - 1, 0)),
        hips=hips * draw.between(0.95, 1.05),
        bust=bust,
        stout=stout,
        height=draw.between(0.92, 1.0) if slender else draw.between(0.95, 1.03),
        skin=draw.colour(_SKINS[:5] * 3 + _SKINS),
    )
