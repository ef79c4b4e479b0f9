from __future__ import annotations

import copy

import pytest
import thop
import torch

from visnet_model.evaluation.complexity import (
    PAPER_PARAMETERS,
    Complexity,
    complexity_table,
    count_flops,
    count_parameters,
    measure_complexity,
)
from visnet_model.network.visnet import VisNet

torch.set_num_threads(1)

PAPER_TOTAL = 32_411_720


@pytest.fixture(scope="module")
def paper_network() -> VisNet:
    return VisNet(751)


@pytest.fixture(scope="module")
def measured(paper_network: VisNet) -> Complexity:
    return measure_complexity(paper_network)


def test_parameters_are_those_of_table_iii(paper_network: VisNet, measured: Complexity) -> None:
    assert measured.parameters == PAPER_PARAMETERS
    assert measured.total == PAPER_TOTAL
    assert count_parameters(paper_network) == PAPER_TOTAL  # no parameter outside the parts


def test_flops_are_those_of_the_paper(measured: Complexity) -> None:
    assert measured.flops_paper == 4_601_915_392
    assert measured.flops_semantic == 4_686_063_616


def test_short_cut_saves_three_quarters_of_the_projections(measured: Complexity) -> None:
    sizes, left, width = {256: 64 * 32, 512: 32 * 16, 1024: 16 * 8}, 16 * 8, 2048
    # Per pixel a 1×1 convolution, and 4 for each number that batch normalisation takes.
    saved = sum(
        (pixels - left) * (channels * width + 4 * width) for channels, pixels in sizes.items()
    )
    assert measured.flops_paper - measured.flops_short_cut == saved
    assert measured.flops_short_cut == pytest.approx(3.17e9, rel=0.005)
    assert measured.flops_short_cut - measured.flops_inference == 2048 * 751


def test_inference_is_what_eval_mode_runs() -> None:
    network = VisNet(7, backbone="resnet18").eval()
    image = torch.zeros(1, 3, 64, 32)
    flops, _ = thop.profile(copy.deepcopy(network), inputs=(image,), verbose=False)
    assert count_flops(network, short_cut=True, size=(64, 32)) == flops


def test_measuring_leaves_the_network_as_it_was() -> None:
    network = VisNet(7, backbone="resnet18").train()
    before = copy.deepcopy(network.state_dict())
    count_flops(network, short_cut=False, size=(32, 32))
    after = network.state_dict()
    assert network.training
    assert network.fusion.short_cut
    assert before.keys() == after.keys()
    assert all(torch.equal(before[key], after[key]) for key in before)


def test_table_has_the_paper_and_ours() -> None:
    parameters = dict.fromkeys(PAPER_PARAMETERS, 20)
    table = complexity_table(Complexity(parameters, 4_000, 5_000, 3_000, 2_000))
    lines = [line.split() for line in table.splitlines()]
    assert ["semantic", "head", "2,628,100", "8.11%", "20", "20.00%"] in lines
    assert ["total", "32,411,720", "100.00%", "100", "100.00%"] in lines
    assert ["FLOPs,", "as", "in", "the", "paper", "4.601", "G", "4,000"] in lines
    assert max(map(len, table.splitlines())) <= 80
