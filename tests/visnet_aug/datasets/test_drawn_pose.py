from __future__ import annotations

from math import pi

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from visnet_aug.datasets.drawn.pose import ArmAction, Gait, Limb, Stance, View, pose, vector

ARMS: tuple[ArmAction, ...] = (
    "swing", "phone", "pocket", "strap", "carry", "umbrella", "handlebar",
)  # fmt: skip
GAITS: tuple[Gait, ...] = ("walk", "stand", "ride")

stances = st.builds(
    Stance,
    gait=st.sampled_from(GAITS),
    phase=st.floats(0, 2 * pi),
    stride=st.floats(0, 0.5),
    lean=st.floats(-0.1, 0.4),
    arms=st.tuples(st.sampled_from(ARMS), st.sampled_from(ARMS)),
    nod=st.floats(-0.4, 0.4),
    glance=st.floats(-0.6, 0.6),
)


def bones(limb: Limb) -> tuple[float, float]:
    upper, lower = limb.middle - limb.root, limb.tip - limb.middle
    return float(np.linalg.norm(upper)), float(np.linalg.norm(lower))


@settings(deadline=None, max_examples=60)
@given(stances)
def test_bones_keep_their_lengths_and_a_foot_is_on_the_ground(stance: Stance) -> None:
    body = pose(stance, shoulders=0.1, hips=0.05)
    for arm in body.arms:
        assert bones(arm) == pytest.approx((0.165, 0.145), abs=1e-5)
    for leg in body.legs:
        assert bones(leg) == pytest.approx((0.245, 0.235), abs=1e-5)
    ankles = [float(leg.tip[2]) for leg in body.legs]
    if stance.gait == "ride":
        assert min(ankles) > 0.1
    else:
        assert min(ankles) == pytest.approx(0.035, abs=1e-5)
    assert float(body.head[2]) > max(float(arm.root[2]) for arm in body.arms)


@settings(deadline=None, max_examples=30)
@given(st.floats(0, 2 * pi), st.floats(0.1, 0.5))
def test_half_a_stride_later_the_other_leg_is_there(phase: float, stride: float) -> None:
    now, later = (
        pose(Stance("walk", turn, stride, 0.0, ("swing", "swing"), 0.0, 0.0), 0.1, 0.05)
        for turn in (phase, phase + pi)
    )
    mirror = vector(-1, 1, 1)
    assert now.legs[0].middle * mirror == pytest.approx(later.legs[1].middle, abs=1e-5)
    assert now.arms[0].tip * mirror == pytest.approx(later.arms[1].tip, abs=1e-5)


def view(heading: float, pitch: float = 0.0) -> View:
    return View(heading, pitch, x=96, y=370, scale=340, stretch=1.1)


def test_up_is_up_and_the_scale_is_rows_per_body() -> None:
    foot, crown = (view(0.3).at(vector(0, 0, up)) for up in (0, 1))
    assert foot == pytest.approx((96, 370))
    assert crown == pytest.approx((96, 30))


@pytest.mark.parametrize(
    ("heading", "where"),
    [(0.0, "right"), (pi, "left"), (pi / 2, "far"), (-pi / 2, "near")],
)
def test_where_the_left_hand_is_seen(heading: float, where: str) -> None:
    left = vector(0.1, 0, 0.5)
    x, depth = float(view(heading).at(left)[0]) - 96, view(heading).depth(left)
    seen = {"right": x > 30, "left": x < -30, "far": depth < -0.09, "near": depth > 0.09}
    assert seen[where]
    assert sum(seen.values()) == 1


def test_from_above_the_near_is_lower_in_the_picture() -> None:
    near, far = (view(0.0, 0.3).at(vector(0, forward, 0.5))[1] for forward in (0.1, -0.1))
    assert near > far


def test_breadth_is_the_side_from_the_front_and_the_depth_from_the_side() -> None:
    assert view(0.0).breadth(0.1, 0.05) == pytest.approx(0.1 * 340 * 1.1)
    assert view(pi / 2).breadth(0.1, 0.05) == pytest.approx(0.05 * 340 * 1.1)
