"""How sensitive the picture is to the embedding, by direction: what an error of the predictor costs."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from .networks import StyleTransformer
from .prepare_views import Views

BATCHES = 150
BATCH = 4
SIDE = 112
STYLE_SHARE = 0.2
LONGEST = 3.0


def sensitivity_of(transformer: StyleTransformer, views: Views, seed: int) -> Tensor:
    """[100, 100]: a matrix A so that |A e|^2 is about the change of the picture when the embedding moves by a small e.

    A^T A is the mean of J^T J over photographs, J being the derivative of the picture by the embedding at embeddings as
    SASSL blends them, now and then at a style itself. Random directions in the picture, handed back through the
    network, have that mean as their covariance.
    """
    random = np.random.default_rng([seed, 7])
    photographs = np.flatnonzero(views.contents >= 0)
    noise = torch.Generator().manual_seed(seed)
    gradients: list[Tensor] = []
    for _ in range(BATCHES):
        chosen = np.sort(random.choice(photographs, BATCH, replace=False))
        top, left = random.integers(views.pixels.shape[1] - SIDE + 1, size=2)
        x = views.images(chosen)[:, :, top : top + SIDE, left : left + SIDE]
        style = views.embeddings[random.integers(len(views), size=BATCH)]
        alpha = np.where(random.random(BATCH) < STYLE_SHARE, 1.0, random.uniform(0.1, 0.3, BATCH))
        z = views.embeddings[chosen].lerp(style, torch.from_numpy(alpha).float()[:, None]).requires_grad_()
        picture = transformer(x, z)
        direction = torch.randn(picture.shape, generator=noise)
        gradients.append(torch.autograd.grad((picture * direction).sum(), z)[0])
    rows = torch.cat(gradients).double()
    # Where a window is flat, instance normalisation divides by next to nothing, and its derivatives say nothing.
    rows = rows[rows.isfinite().all(dim=1)]
    lengths = rows.norm(dim=1, keepdim=True)
    rows *= (LONGEST * lengths.median() / lengths).clamp(max=1)
    covariance = rows.T @ rows / len(rows)
    # A small share in all directions: 600 probes leave those that hardly matter uncertain.
    covariance += 1e-3 * covariance.diagonal().mean() * torch.eye(len(covariance), dtype=torch.float64)
    root: Tensor = torch.linalg.cholesky(covariance).T.float()
    return root
