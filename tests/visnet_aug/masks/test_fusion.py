"""Fused convolutions compute what separate ones do."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from visnet_aug.masks.fusion import can_fuse, fuse_activations
from visnet_aug.masks.settings import PERSON
from visnet_aug.masks.weights import BUILTIN, load_network


@pytest.mark.skipif(not can_fuse(), reason="this build of torch has no fused convolutions")
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_network_gives_the_same(dtype: torch.dtype) -> None:
    if dtype is torch.bfloat16 and not torch.ops.mkldnn._is_mkldnn_bf16_supported():
        pytest.skip("this processor has no bf16")
    network = load_network(BUILTIN, PERSON).network.to(dtype).eval()
    images = torch.rand(4, 3, 128, 64, generator=torch.Generator().manual_seed(0)).to(dtype)
    with torch.inference_mode():
        before = network(images)
        assert fuse_activations(network) > 50
        after = network(images)
        assert fuse_activations(network) == 0
    pairs = zip(_tensors(before), _tensors(after), strict=True)
    tolerance = 1e-3 if dtype is torch.float32 else 0.3
    for one, other in pairs:
        assert torch.allclose(one.float(), other.float(), atol=tolerance, rtol=tolerance)


def _tensors(outputs: Any) -> list[torch.Tensor]:
    if isinstance(outputs, torch.Tensor):
        return [outputs]
    parts = outputs.values() if isinstance(outputs, dict) else outputs
    return [tensor for part in parts for tensor in _tensors(part)]
