"""SOAP: Adam in the eigenbasis of Shampoo's preconditioner (Vyas et al. 2024, arXiv 2409.11321).

Patches of a photograph are strongly correlated and style embeddings share a large mean, so the gradients of these
small networks are badly conditioned and plain Adam crawls. Every weight here is a matrix of at most a few hundred
rows and columns, for which the better basis costs next to nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn


class Soap(torch.optim.Optimizer):
    """Convolution kernels count as matrices [outputs, inputs x rows x columns]; vectors get plain Adam."""

    def __init__(
        self,
        parameters: Iterable[nn.Parameter],
        lr: float,
        betas: tuple[float, float] = (0.95, 0.95),
        every: int = 10,
        epsilon: float = 1e-8,
    ) -> None:
        super().__init__(parameters, {"lr": lr, "betas": betas, "every": every, "epsilon": epsilon})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """One step; `closure` is not used."""
        for group in self.param_groups:
            first, second = group["betas"]
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                gradient = parameter.grad.reshape(len(parameter), -1)
                if parameter.ndim == 1:
                    gradient = parameter.grad.reshape(1, -1)
                state = self.state[parameter]
                if not state:
                    self._start(state, gradient, parameter.ndim > 1)
                    continue  # The first gradient only gives the basis.
                state["step"] += 1
                step = int(state["step"])
                rotate = parameter.ndim > 1
                state["mean"].lerp_(gradient, 1 - first)
                turned = state["left"].T @ gradient @ state["right"] if rotate else gradient
                state["square"].mul_(second).addcmul_(turned, turned, value=1 - second)
                mean = state["left"].T @ state["mean"] @ state["right"] if rotate else state["mean"]
                root = (state["square"] / (1 - second**step)).sqrt_().add_(group["epsilon"])
                update = mean / (1 - first**step) / root
                if rotate:
                    update = state["left"] @ update @ state["right"].T
                parameter.add_(update.reshape(parameter.shape), alpha=-group["lr"])
                if rotate:
                    state["rows"].lerp_(gradient @ gradient.T, 1 - second)
                    state["columns"].lerp_(gradient.T @ gradient, 1 - second)
                    if step % group["every"] == 0:
                        self._turn(state)

    @staticmethod
    def _start(state: dict[str, Any], gradient: Tensor, rotate: bool) -> None:
        state["step"] = 0
        state["mean"] = torch.zeros_like(gradient)
        state["square"] = torch.zeros_like(gradient)
        if rotate:
            state["rows"] = gradient @ gradient.T
            state["columns"] = gradient.T @ gradient
            # In double precision: in float32 LAPACK does not converge on the moments of some single gradients.
            for side, moment in (("left", "rows"), ("right", "columns")):
                basis = torch.linalg.eigh(state[moment].double())[1].flip(1)
                state[side] = basis.to(gradient.dtype).contiguous()

    @staticmethod
    def _turn(state: dict[str, Any]) -> None:
        """Follows the eigenbases with one step of the power method, keeping second moments with their directions."""
        square = state["square"]
        for side, moment, axis in (("left", "rows", 0), ("right", "columns", 1)):
            basis, matrix = state[side], state[moment]
            strength = (basis.T @ matrix @ basis).diagonal()
            order = strength.argsort(descending=True)
            square = square.index_select(axis, order)
            state[side] = torch.linalg.qr(matrix @ basis[:, order])[0]
        state["square"] = square
