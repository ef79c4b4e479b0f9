"""What makes an identity: build, skin, hair, clothes and bags, the same in every camera."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal

import numpy as np

from visnet_aug.datasets.drawn.textile import Cloth, Colour, Pattern

Hair = Literal["bald", "short", "bob", "long", "ponytail", "bun"]
Hat = Literal["none", "cap", "sunhat"]
Cut = Literal["tee", "tank", "long", "open", "polo"]
Lower = Literal["trousers", "leggings", "capri", "shorts", "hotpants", "skirt", "dress"]
Footwear = Literal["sneakers", "shoes", "sandals"]


@dataclass(frozen=True, slots=True)
class Body:
    """Proportions in body heights; ``stout`` widens everything."""

    shoulders: float
    chest: float
    waist: float
    hips: float
    bust: float
    stout: float
    skin: Colour
    height: float


@dataclass(frozen=True, slots=True)
class Wardrobe:
    """One identity.

    Attributes:
        body: Build and skin.
        hair: Style of the hair.
        hair_colour: Its colour.
        hat: Headgear.
        hat_colour: Its colour.
        glasses: Whether dark glasses are worn.
        cut: Cut of the top.
        top: Its cloth.
        inner: Colour of what shows under an open jacket or in a collar.
        lower: What covers the legs.
        cloth: Cloth of that; of the whole dress for a dress.
        feet: Kind of shoes.
        shoes: Their colour.
        sole: Colour of soles, or of the socks.
        backpack: Colour of a backpack, if there is one.
        shoulder_bag: Colour of a bag on a strap across the body.
        handbag: Colour of a bag in the hand.
        bag_side: 1 for the left, -1 for the right.
        bag_accent: Second colour of the bags.
        umbrella: Colour of the umbrella that some carry.
        bicycle: Colour of the bicycle that some ride.
        habit: Seed of what a person does often: phone, pockets.
    """

    body: Body
    hair: Hair
    hair_colour: Colour
    hat: Hat
    hat_colour: Colour
    glasses: bool
    cut: Cut
    top: Cloth
    inner: Colour
    lower: Lower
    cloth: Cloth
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
    (228, 228, 224), (222, 222, 226), (30, 30, 34), (38, 38, 42), (120, 122, 126), (168, 168, 168),
    (34, 44, 82), (40, 72, 150), (92, 148, 205), (150, 30, 40), (205, 45, 50), (222, 120, 140),
    (40, 130, 70), (80, 190, 110), (30, 150, 150), (190, 215, 60), (225, 190, 60), (230, 215, 170),
    (235, 130, 50), (100, 60, 130), (120, 85, 60), (176, 150, 120), (150, 205, 190),
)
_LOWERS: Final[tuple[Colour, ...]] = (
    (26, 26, 30), (34, 34, 38), (30, 30, 34), (44, 54, 84), (62, 82, 122), (96, 122, 160),
    (40, 46, 62), (110, 108, 104), (150, 140, 120), (186, 172, 140), (206, 200, 188), (84, 78, 60),
    (92, 40, 44), (70, 72, 74), (220, 220, 220),
)
_BRIGHT: Final[tuple[Colour, ...]] = (
    (210, 40, 50), (40, 80, 190), (240, 200, 40), (235, 120, 40), (230, 90, 140), (40, 150, 80),
    (120, 60, 160), (30, 30, 34), (230, 230, 230), (90, 160, 220), (60, 60, 66), (130, 90, 60),
)
_BAGS: Final[tuple[Colour, ...]] = (
    (24, 24, 28), (30, 30, 36), (42, 46, 62), (70, 72, 78), (120, 40, 44), (40, 60, 120),
    (100, 74, 50), (60, 80, 60), (190, 60, 100), (160, 160, 160), (60, 130, 160), (200, 170, 120),
)
_SKINS: Final[tuple[Colour, ...]] = (
    (232, 190, 165), (224, 178, 150), (214, 166, 136), (200, 150, 118), (176, 124, 94),
    (140, 96, 72), (100, 68, 52), (72, 50, 40),
)
_HAIRS: Final[tuple[Colour, ...]] = (
    (22, 20, 20), (28, 24, 22), (34, 28, 26), (48, 34, 28), (74, 50, 36), (120, 84, 50),
    (150, 148, 146), (110, 50, 34),
)
_SHOES: Final[tuple[Colour, ...]] = (
    (30, 30, 32), (36, 34, 36), (220, 220, 218), (205, 205, 205), (120, 120, 124), (60, 70, 110),
    (170, 50, 50), (100, 70, 50), (190, 160, 120), (60, 140, 90), (220, 120, 140),
)


class _Draw:
    """Weighted choices from one generator."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng

    def chance(self, probability: float) -> bool:
        return bool(self.rng.random() < probability)

    def colour(self, palette: tuple[Colour, ...]) -> Colour:
        base = np.array(palette[int(self.rng.integers(len(palette)))])
        shade = base * self.rng.uniform(0.85, 1.12) + self.rng.normal(0, 7, 3)
        red, green, blue = np.clip(shade, 12, 245).astype(int).tolist()
        return red, green, blue

    def pick(self, weights: dict[str, float]) -> str:
        shares = np.array(list(weights.values()))
        return list(weights)[int(self.rng.choice(len(weights), p=shares / shares.sum()))]


@lru_cache(maxsize=4096)
def wardrobe(pid: int, seed: int = 0) -> Wardrobe:
    """Return the look of identity ``pid`` in the population ``seed``; the same every time."""
    return draw_wardrobe(np.random.default_rng((seed, 1, pid)))


def draw_wardrobe(rng: np.random.Generator) -> Wardrobe:
    """Draw one identity."""
    draw = _Draw(rng)
    slender = draw.chance(0.5)
    body = _body(draw, slender)
    lower = draw.pick(
        {"trousers": 2.5, "leggings": 1.5, "capri": 1, "shorts": 1.5, "hotpants": 2, "skirt": 1.6,
         "dress": 1.5}
        if slender
        else {"trousers": 5, "capri": 1, "shorts": 5}
    )  # fmt: skip
    cut = draw.pick({"tee": 5, "polo": 1.5, "tank": 1 if slender else 0.4, "long": 2, "open": 1.2})
    if lower == "dress":
        cut = draw.pick({"tee": 2, "tank": 2, "long": 0.5})
    top = _cloth(draw, _TOPS, ("stripes", "plaid", "dots", "flowers", "blocks", "print"))
    lower_palette = _TOPS if lower in ("skirt", "dress") else _LOWERS
    patterns: tuple[Pattern, ...] = ("flowers", "dots", "stripes") if lower in ("skirt", "dress") else ("plaid",)
    cloth = _cloth(draw, lower_palette, patterns, share=0.35 if lower in ("skirt", "dress") else 0.08)
    bag = draw.pick({"none": 4, "backpack": 3.2, "shoulder": 1.8, "hand": 1.2})
    return Wardrobe(
        body=body,
        hair=draw.pick({"long": 3, "ponytail": 3, "bob": 2, "bun": 1} if slender else {"short": 9, "bald": 1}),  # type: ignore[arg-type]
        hair_colour=draw.colour(_HAIRS),
        hat=draw.pick({"none": 8, "cap": 1, "sunhat": 0.5 if slender else 0.1}),  # type: ignore[arg-type]
        hat_colour=draw.colour(_BRIGHT),
        glasses=draw.chance(0.25),
        cut=cut,  # type: ignore[arg-type]
        top=top,
        inner=draw.colour(_TOPS),
        lower=lower,  # type: ignore[arg-type]
        cloth=cloth,
        feet=draw.pick({"sneakers": 4, "shoes": 2, "sandals": 1.5}),  # type: ignore[arg-type]
        shoes=draw.colour(_SHOES),
        sole=draw.colour(((225, 225, 222), (40, 40, 42))),
        backpack=draw.colour(_BAGS) if bag == "backpack" else None,
        shoulder_bag=draw.colour(_BAGS) if bag == "shoulder" else None,
        handbag=draw.colour(_BAGS + _BRIGHT) if bag == "hand" else None,
        bag_side=1 if draw.chance(0.5) else -1,
        bag_accent=draw.colour(_BRIGHT),
        umbrella=draw.colour(_BRIGHT) if draw.chance(0.05) else None,
        bicycle=draw.colour(_BRIGHT) if draw.chance(0.06) else None,
        habit=int(rng.integers(1 << 30)),
    )


def _body(draw: _Draw, slender: bool) -> Body:
    uniform = draw.rng.uniform
    stout = float(np.clip(draw.rng.normal(1.0, 0.09), 0.86, 1.3))
    if slender:
        shoulders, chest, waist, hips, bust = 0.092, 0.080, 0.068, 0.090, 0.022
    else:
        shoulders, chest, waist, hips, bust = 0.108, 0.095, 0.084, 0.086, 0.004
    jitter = uniform(0.95, 1.05, 4)
    return Body(
        shoulders=shoulders * float(jitter[0]),
        chest=chest * float(jitter[1]),
        waist=waist * float(jitter[2]) * (1 + 1.4 * max(stout - 1, 0)),
        hips=hips * float(jitter[3]),
        bust=bust,
        stout=stout,
        skin=draw.colour(_SKINS[:5] * 3 + _SKINS),
        height=float(uniform(0.93, 1.03) - (0.03 if slender else 0)),
    )


def _cloth(
    draw: _Draw, palette: tuple[Colour, ...], patterns: tuple[Pattern, ...], share: float = 0.5
) -> Cloth:
    pattern: Pattern = "plain"
    if draw.chance(share):
        pattern = patterns[int(draw.rng.integers(len(patterns)))]
    colour, accent = draw.colour(palette), draw.colour(_TOPS)
    while pattern != "plain" and sum(abs(a - b) for a, b in zip(colour, accent, strict=True)) < 150:
        accent = draw.colour(_TOPS)
    return Cloth(pattern, colour, accent, int(draw.rng.integers(5, 13)), int(draw.rng.integers(1 << 30)))
