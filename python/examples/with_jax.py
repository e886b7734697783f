#!/usr/bin/env python3
"""SimCLR in JAX on stylized views, divided among all local devices.

    python with_jax.py PICTURES --epochs 2
    XLA_FLAGS=--xla_force_host_platform_device_count=2 python with_jax.py PICTURES     # two devices on a CPU

The loader copies each batch to the devices, normalizes it there, and gives its slot of the ring back: its arrays are
JAX's own and may be kept. A checkpoint holds the weights and the position of the stream.
"""

from __future__ import annotations

import itertools
import pickle
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from tiny_options import checkpoint_options, options, settings
from tqdm.auto import tqdm

import sassl
from sassl.jax import DeviceLoader

WIDTHS = [3, 16, 32, 64, 128]
EMBEDDING = 64
TEMPERATURE = 0.2
Weights = list[jax.Array]


def fresh_weights(key: jax.Array) -> Weights:
    """Four convolutions of 3x3 pixels and a linear head."""
    shapes = [(3, 3, inputs, outputs) for inputs, outputs in itertools.pairwise(WIDTHS)]
    shapes += [(1, 1, WIDTHS[-1], EMBEDDING)]
    initialize = jax.nn.initializers.he_normal(in_axis=(0, 1, 2))
    return [initialize(part, shape) for part, shape in zip(jax.random.split(key, len(shapes)), shapes, strict=True)]


def embed(weights: Weights, images: jax.Array) -> jax.Array:
    """Embeddings [batch, EMBEDDING] of length 1 of images [batch, height, width, 3]."""
    *convolutions, head = weights
    for kernel in convolutions:
        images = jax.lax.conv_general_dilated(
            images, kernel, (2, 2), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
        )
        images = jax.nn.relu(jax.nn.standardize(images, axis=(1, 2, 3)))
    embeddings = images.mean(axis=(1, 2)) @ head[0, 0]
    embeddings /= jnp.linalg.norm(embeddings, axis=1, keepdims=True)
    return embeddings


def contrast(weights: Weights, views: list[jax.Array]) -> jax.Array:
    """SimCLR's loss (Chen et al. 2020): how badly the two views of each image are told from all other views."""
    embeddings = jnp.concatenate([embed(weights, view) for view in views])
    similarity = embeddings @ embeddings.T / TEMPERATURE
    count = len(embeddings)
    similarity = jnp.where(jnp.eye(count, dtype=bool), -jnp.inf, similarity)
    other = jnp.roll(jnp.arange(count), count // 2)
    return -jax.nn.log_softmax(similarity)[jnp.arange(count), other].mean()


@jax.jit
def step(
    weights: Weights, velocity: Weights, views: list[jax.Array], rate: float
) -> tuple[Weights, Weights, jax.Array]:
    """One step of gradient descent with momentum."""
    loss, gradients = jax.value_and_grad(contrast)(weights, views)
    velocity = [0.9 * old + gradient for old, gradient in zip(velocity, gradients, strict=True)]
    return [old - rate * change for old, change in zip(weights, velocity, strict=True)], velocity, loss


def main() -> None:
    parser = options(__doc__)
    checkpoint_options(parser)
    parser.set_defaults(rate=0.03)
    chosen = parser.parse_args()

    mesh = Mesh(jax.local_devices(), ("batch",))
    divided = NamedSharding(mesh, PartitionSpec("batch"))
    weights = fresh_weights(jax.random.key(0))
    velocity = [jnp.zeros_like(array) for array in weights]
    with sassl.serve(chosen.pictures, **settings(chosen)) as ring:
        loader = DeviceLoader(ring, divided)
        if chosen.checkpoint is not None and chosen.checkpoint.exists():
            saved: dict[str, Any] = pickle.loads(chosen.checkpoint.read_bytes())
            weights, velocity = saved["weights"], saved["velocity"]
            loader.load_state_dict(saved["loader"])
        for epoch in range(loader.position // len(loader), chosen.epochs):
            losses = []
            for views, _ in tqdm(loader, f"epoch {epoch}"):
                weights, velocity, loss = step(weights, velocity, views, chosen.rate)
                losses.append(loss)
                if loader.position == chosen.steps:
                    break
            print(f"epoch {epoch}: loss {jnp.mean(jnp.array(losses)):.4f}, on {mesh.size} devices", flush=True)
            if loader.position == chosen.steps:
                break
        if chosen.checkpoint is not None:
            state = {"weights": weights, "velocity": velocity, "loader": loader.state_dict()}
            chosen.checkpoint.write_bytes(pickle.dumps(jax.device_get(state)))


if __name__ == "__main__":
    main()
