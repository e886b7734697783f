"""The last touch to a trained predictor, in closed form instead of by more steps."""

from __future__ import annotations

import copy

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from .networks import StylePredictor
from .prepare_views import Views, resized

BATCH = 32


@torch.no_grad()
def calibrated(
    predictor: StylePredictor, views: Views, chosen: NDArray[np.int64], weights: Tensor, ridge: float = 3e-2
) -> StylePredictor:
    """A copy whose statistics and last matrix fit the averaged weights.

    Batch normalisation kept its statistics from weights that have moved since; they are measured again. Then the last
    matrix is solved for by weighted least squares, which removes what bias the averaged features have: an error that
    all photographs share shifts the colours of every one of them.

    - chosen: numbers of the views to calibrate on; weights: how much each of them counts.
    - ridge: pull towards the matrix that was learnt, as a share of the features' mean square.
    """
    batches = [chosen[start : start + BATCH] for start in range(0, len(chosen), BATCH)]

    def shown(batch: NDArray[np.int64]) -> Tensor:
        return resized(views.images(batch), predictor.shape.side)

    result = copy.deepcopy(predictor)
    norms = [module for module in result.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # Plain averages over all batches.
    result.train()
    for batch in batches:
        result(shown(batch))
    result.eval()

    features: list[Tensor] = []
    hook = result.embedding.register_forward_hook(lambda _, inputs, __: features.append(inputs[0]))
    predicted = torch.cat([result(shown(batch)) for batch in batches])
    hook.remove()
    known = torch.cat([torch.cat(features), torch.ones(len(chosen), 1)], dim=1).double()
    missing = (views.embeddings[chosen] - predicted).double()
    weighted = known * weights.double()[:, None]
    square = known.T @ weighted
    pull = ridge * square.diagonal().mean() * torch.eye(len(square), dtype=torch.float64)
    pull[-1, -1] = 0  # The bias is free.
    change = torch.linalg.solve(square + pull, weighted.T @ missing).float()
    result.embedding.weight.add_(change[:-1].T)
    result.embedding.bias.add_(change[-1])
    return result
