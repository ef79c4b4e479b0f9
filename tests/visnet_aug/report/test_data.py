from __future__ import annotations

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from visnet_aug.report.data import to_json

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text() | st.sampled_from(["</script>", "<!--", "]]>", "\u2028", "\ud800", "&lt;"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@settings(deadline=None, max_examples=200)
@given(values)
def test_json_says_the_same_and_is_safe_within_a_script(value: object) -> None:
    text = to_json(value)
    assert json.loads(text) == value
    assert text.isascii()
    assert not set("<>&") & set(text)
