"""Past one machine: the nodes of a Ray cluster make batches for the trainers on some of them.

For example:

    import ray
    import sassl.ray

    ray.init(address="auto")
    with sassl.ray.serve(config="sassld.toml", makers=4) as serving:
        for batch in serving.attach(start=0):
            train(batch.views)
"""

try:
    import ray  # noqa: F401
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        "sassl.ray needs Ray on every node of the cluster: pip install the wheel with [ray] behind its name"
    ) from error

from .deployment import Deployment, serve

__all__ = ["Deployment", "serve"]
