"""The actor that keeps a stream served on a cluster when the command that started it has ended."""

from __future__ import annotations

from typing import Any

import ray

from .deployment import Deployment, Plan
from .known_makers import NAMESPACE


class Coordinator:
    """Holds the deployment of one stream. A detached actor; when Ray restarts it, it finds everything by name."""

    def __init__(self, plan: Plan) -> None:
        self._deployment = Deployment(plan, detached=True)
        self._deployment.start()

    def scale(self, makers: int) -> None:
        """See `Deployment.scale`."""
        self._deployment.scale(makers)

    def close(self) -> None:
        """Ends everything but this actor."""
        self._deployment.close()


def coordinator_name(stream: str) -> str:
    """Of the actor of a stream."""
    return f"{stream}.coordinator"


def start(plan: Plan) -> None:
    """Serves a stream until `end`."""
    actor: Any = ray.remote(Coordinator).options(
        name=coordinator_name(plan.name), namespace=NAMESPACE, lifetime="detached", max_restarts=-1, num_cpus=0
    )
    actor.remote(plan)


def of(stream: str) -> Any:
    """The coordinator of a stream. Raises `ValueError` where there is none."""
    return ray.get_actor(coordinator_name(stream), namespace=NAMESPACE)


def end(stream: str) -> None:
    """Ends a stream that `start` serves, and leaves nothing behind."""
    coordinator = of(stream)
    ray.get(coordinator.close.remote())
    ray.kill(coordinator)
