from __future__ import annotations

import numpy as np
import numpy.typing as npt
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from visnet_aug.masks.look import BACKGROUND, LINE, PERSON, mark


@settings(deadline=None, max_examples=60)
@given(arrays(np.bool_, array_shapes(min_dims=2, max_dims=2, max_side=9), elements=st.booleans()))
def test_the_line_is_the_background_that_touches_the_person(mask: npt.NDArray[np.bool_]) -> None:
    padded = np.pad(mask, 1)
    for (y, x), region in np.ndenumerate(mark(mask)):
        touches = padded[y : y + 3, x : x + 3].any()
        assert region == (PERSON if mask[y, x] else LINE if touches else BACKGROUND)
