from __future__ import annotations

from pathlib import Path

import torch
import torch.distributed as dist
from torch.multiprocessing.spawn import spawn

from visnet_model.losses.fidi import FidiLoss
from visnet_model.losses.ranks import gather_batch, mean_over_ranks
from visnet_model.losses.weighting import DynamicWeightAveraging
from visnet_model.training.objective import add_up

RANKS = 2
STEPS = 4

Run = list[dict[str, torch.Tensor]]


def train(rank: int, ranks: int) -> Run:
    """Train on a random batch, each rank on its part, and average gradients as DDP does."""
    rng = torch.Generator().manual_seed(0)
    images, pids = torch.randn(8, 5, generator=rng), torch.tensor([0, 0, 1, 1, 0, 2, 2, 1])
    weight = torch.randn(6, 5, generator=rng).requires_grad_()
    mine = slice(rank * 8 // ranks, (rank + 1) * 8 // ranks)
    fidi, weighting = FidiLoss(), DynamicWeightAveraging(("fidi", "size"))
    seen: Run = []
    for _ in range(STEPS):
        embeddings = images[mine] @ weight.T
        batch = gather_batch(embeddings, pids[mine])
        losses = {"fidi": fidi(embeddings, pids[mine], batch), "size": embeddings.square().mean()}
        total = add_up(losses, weighting)
        (grad,) = torch.autograd.grad(total.loss, weight)
        grad = mean_over_ranks(grad)
        weights = torch.stack(list(total.weights.values()))
        seen.append({"grad": grad, "weights": weights, **total.values})
        weight = (weight - 0.05 * grad).detach().requires_grad_()
    return seen


def rank_main(rank: int, folder: str) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", f"file://{folder}/meet", rank=rank, world_size=RANKS)
    torch.save(train(rank, RANKS), Path(folder) / f"{rank}.pt")
    dist.destroy_process_group()


def test_two_processes_train_as_one(tmp_path: Path) -> None:
    spawn(rank_main, args=(str(tmp_path),), nprocs=RANKS)  # type: ignore[no-untyped-call]
    expected = train(0, 1)
    assert not torch.allclose(expected[-1]["weights"], torch.tensor(0.5), atol=1e-3)
    for rank in range(RANKS):
        run = torch.load(tmp_path / f"{rank}.pt", weights_only=True)
        torch.testing.assert_close(run, expected, rtol=1e-4, atol=1e-6)


def test_without_a_process_group_the_global_batch_is_the_batch() -> None:
    embeddings = torch.randn(3, 2).requires_grad_()
    batch = gather_batch(embeddings, torch.tensor([1, 2, 3]))
    assert batch.first == 0
    assert torch.equal(batch.embeddings, embeddings)
    assert not batch.embeddings.requires_grad
    values = torch.ones(2, requires_grad=True)
    assert not mean_over_ranks(values).requires_grad
