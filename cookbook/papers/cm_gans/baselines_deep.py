"""The deep methods CM-GANs is compared with: two small perceptrons and an objective each.

All have the same perceptrons, optimiser and length; the dropout is chosen on validation items
(see ``methods.choose``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import chain

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from transmodal.cookbook.papers.cm_gans.baselines import Embed, Learned, Training, canonical

HIDDEN, COMMON = 256, 64


def perceptron(inputs: int, outputs: int, dropout: float) -> nn.Sequential:
    """Two layers, with BatchNorm."""
    return nn.Sequential(
        nn.Linear(inputs, HIDDEN), nn.BatchNorm1d(HIDDEN), nn.ReLU(), nn.Dropout(dropout),
        nn.Linear(HIDDEN, outputs),
    )  # fmt: skip


Loss = Callable[[Mapping[str, Tensor], Tensor], Tensor]


def learn(
    train: Training, nets: nn.Module, loss: Loss, *, steps: int, batch: int = 64, decay: float = 0.0
) -> None:
    """Adam with a cosine schedule on batches of pairs, in the order of torch's global generator."""
    adam = torch.optim.AdamW(nets.parameters(), 1e-3, weight_decay=decay)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(adam, steps)
    n = len(train.labels)
    batch = min(batch, n)
    order = torch.cat([torch.randperm(n) for _ in range(-(-steps * batch // n))])
    nets.train()
    for index in order[: steps * batch].split(batch):
        adam.zero_grad()
        loss({d: x[index] for d, x in train.features.items()}, train.labels[index]).backward()
        adam.step()
        schedule.step()
    nets.eval()


def frozen(*nets: nn.Module) -> Embed:
    """Features through trained networks."""

    @torch.no_grad()
    def embed(x: Tensor) -> Tensor:
        for net in nets:
            x = net(x)
        return x

    return embed


def deep_sm(train: Training, seed: int, *, dropout: float = 0.5, steps: int = 600) -> Learned:
    """Deep semantic matching (Wei et al. 2017): a classifier of each domain; its probabilities."""
    torch.manual_seed(seed)
    nets = nn.ModuleDict(
        {d: perceptron(x.shape[1], train.classes, dropout) for d, x in train.features.items()}
    )

    def loss(x: Mapping[str, Tensor], y: Tensor) -> Tensor:
        return torch.stack([F.cross_entropy(nets[d](x[d]), y) for d in x]).sum()

    learn(train, nets, loss, steps=steps)
    maps = {d: frozen(net, nn.Softmax(1)) for d, net in nets.items()}
    return Learned(maps, maps)


def corr_ae(
    train: Training, seed: int, *, dropout: float = 0.5, steps: int = 600, weight: float = 0.8
) -> Learned:
    """Correspondence autoencoder (Feng et al. 2014, Eq. 4): it uses no labels.

    ``(1 - weight) (||x - x'||^2 + ||y - y'||^2) + weight ||f(x) - g(y)||^2``
    """
    torch.manual_seed(seed)
    down = nn.ModuleDict(
        {d: perceptron(x.shape[1], COMMON, dropout) for d, x in train.features.items()}
    )
    up = nn.ModuleDict({d: perceptron(COMMON, x.shape[1], 0.0) for d, x in train.features.items()})

    def loss(x: Mapping[str, Tensor], y: Tensor) -> Tensor:
        first, second = codes = [down[d](x[d]) for d in x]
        kept = [F.mse_loss(up[d](c), x[d]) for d, c in zip(x, codes, strict=True)]
        return (1 - weight) * torch.stack(kept).sum() + weight * F.mse_loss(first, second)

    learn(train, nn.ModuleList([down, up]), loss, steps=steps)
    return Learned({d: frozen(net) for d, net in down.items()})


def dcca(
    train: Training, seed: int, *, dropout: float = 0.5, steps: int = 300, size: int = 9
) -> Learned:
    """Deep CCA (Andrew et al. 2013): perceptrons whose outputs correlate most; no labels."""
    torch.manual_seed(seed)
    nets = nn.ModuleDict(
        {d: perceptron(x.shape[1], size, dropout) for d, x in train.features.items()}
    )

    def loss(x: Mapping[str, Tensor], y: Tensor) -> Tensor:
        first, second = (nets[d](x[d]) for d in x)
        return -correlation(first, second)

    learn(train, nets, loss, steps=steps, batch=512, decay=1e-2)
    first, second = train.features
    maps = {d: frozen(net) for d, net in nets.items()}
    # the objective leaves each domain's outputs free to turn; linear CCA turns them to each other
    seen = {d: maps[d](x) for d, x in train.features.items()}
    model = canonical(seen[first], seen[second], size)
    return Learned(
        {
            first: lambda x: model(maps[first](x), 0),
            second: lambda x: model(maps[second](x), 1),
        }
    )


def correlation(a: Tensor, b: Tensor, ridge: float = 1e-2) -> Tensor:
    """The sum of canonical correlations of ``[n k]`` and ``[n k]`` (Andrew et al. 2013, Eq. 10)."""
    a, b = a - a.mean(0), b - b.mean(0)
    n, eye = len(a) - 1, torch.eye(a.shape[1])

    def root(x: Tensor) -> Tensor:
        values, vectors = torch.linalg.eigh(x.T @ x / n + ridge * eye)
        made: Tensor = vectors @ torch.diag(values.rsqrt()) @ vectors.T
        return made

    total: Tensor = torch.linalg.matrix_norm(root(a) @ (a.T @ b / n) @ root(b), "nuc")
    return total


def dscmr(
    train: Training, seed: int, *, dropout: float = 0.5, steps: int = 600, alpha: float = 1e-3,
    beta: float = 1e-1,
) -> Learned:  # fmt: skip
    """Deep supervised cross-modal retrieval (Zhen et al. 2019, Eqs. 2-6).

    Labels read from the common vectors by one linear map (here by cross-entropy), alpha times
    the likelihood of who shares a class, within and between domains, and beta times the
    distance of a pair. The perceptrons' last layer is shared, as in theirs.
    """

    def more(first: Tensor, second: Tensor, y: Tensor) -> Tensor:
        alike = (y[:, None] == y).float()
        terms = [
            F.softplus(dot).sub(alike * dot).mean()
            for a, b in ((first, second), (first, first), (second, second))
            for dot in [a @ b.T / 2]
        ]
        loss: Tensor = alpha * torch.stack(terms).sum() + beta * (first - second).norm(dim=1).mean()
        return loss

    return _labelled(train, seed, dropout, steps, more)


def info_nce(
    train: Training, seed: int, *, dropout: float = 0.5, steps: int = 600, temperature: float = 0.1
) -> Learned:
    """Symmetric InfoNCE over the batch's pairs (Radford et al. 2021), and labels' cross-entropy."""

    def more(first: Tensor, second: Tensor, y: Tensor) -> Tensor:
        logits = F.normalize(first, dim=1) @ F.normalize(second, dim=1).T / temperature
        mine = torch.arange(len(y))
        return (F.cross_entropy(logits, mine) + F.cross_entropy(logits.T, mine)) / 2

    return _labelled(train, seed, dropout, steps, more)


def _labelled(
    train: Training, seed: int, dropout: float, steps: int,
    more: Callable[[Tensor, Tensor, Tensor], Tensor],
) -> Learned:  # fmt: skip
    """Common vectors from which one linear map reads the labels, and some further objective."""
    torch.manual_seed(seed)
    lower = nn.ModuleDict(
        {d: perceptron(x.shape[1], HIDDEN, dropout) for d, x in train.features.items()}
    )
    shared = nn.Sequential(nn.ReLU(), nn.Linear(HIDDEN, COMMON))
    head = nn.Linear(COMMON, train.classes)

    def loss(x: Mapping[str, Tensor], y: Tensor) -> Tensor:
        first, second = (shared(lower[d](x[d])) for d in x)
        read = F.cross_entropy(head(first), y) + F.cross_entropy(head(second), y)
        return read + more(first, second, y)

    learn(train, nn.ModuleList(chain([lower, shared, head])), loss, steps=steps)
    common = {d: frozen(net, shared) for d, net in lower.items()}
    return Learned(
        common, {d: frozen(net, shared, head, nn.Softmax(1)) for d, net in lower.items()}
    )
