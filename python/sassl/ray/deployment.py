"""Makers and feeders of one stream on a Ray cluster: where they are placed, started, counted and ended."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final

import ray
from ray._private.state import available_resources_per_node
from ray.exceptions import RayError
from ray.experimental import internal_kv
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from .._daemon import new_folder, shown
from ..errors import DaemonFailedError, SasslError
from ..reader import Reader, attach
from ..serving import configuration_file
from .feeder import Feeder, FeederOptions
from .known_makers import NAMESPACE
from .log import say
from .maker import Maker
from .scaling import Failures, Starts, in_order_of_leaving, needed_makers, states_of
from .slices import Division, chosen_count, possible_counts, slice_configuration

# Batches of each slice that a maker's ring holds: one that is made while one is handed out.
_MAKER_SLOTS: Final = 2
# How often to look whether more or fewer makers are needed.
_SCALING_SECONDS: Final = 15.0
# For how many makers the slices are cut where their number is not said.
_MAKERS_FORESEEN: Final = 8
# How long an actor may take to tidy up.
_STOP_SECONDS: Final = 45.0
_LOOK_SECONDS: Final = 0.1
# How long the actors of a driver that was killed may be in the way of its successor's.
_LEAVING_SECONDS: Final = 15.0
# How long an actor may take to say how it is.
_ANSWER_SECONDS: Final = 5.0


@dataclass(frozen=True)
class Plan:
    """Everything that makers and feeders are told. Made by `planned`."""

    configuration: dict[str, Any]
    """Of the stream, as `sasslctl config show --json` has it."""
    division: Division
    ranks_of: dict[str, tuple[int, ...]]
    """The ranks that train on each node, by the node's number in Ray."""
    makers: int | None
    """How many for each node that trains; nothing for as many as are needed."""
    cpus: int
    """Cores of each maker."""
    environment: dict[str, str]
    """Of the makers' daemons."""

    @property
    def name(self) -> str:
        """Of the stream."""
        name: str = self.configuration["stream"]["name"]
        return name

    def makers_prefix(self, node: str) -> str:
        """What the names of the makers begin with that make slices for the ranks on a node."""
        return f"{self.name}.maker.{node[:8]}."

    def feeder_name(self, rank: int) -> str:
        """Of a rank's feeder."""
        return f"{self.name}.feeder.{rank}"


def planned(
    configuration: Mapping[str, Any],
    *,
    makers: int | None,
    slices: int | None,
    cpus: int | None,
    trainers: Sequence[str] | None,
    cpu_path: str | None,
) -> Plan:
    """The plan for a stream on the cluster that this process is connected to. Raises ValueError for what cannot be."""
    batch, style = configuration["batch"], configuration["style"]
    if makers is not None and makers < 1:
        raise ValueError(f"makers={makers}: at least one has to make batches")
    nodes = {node["NodeID"]: node for node in ray.nodes() if node["Alive"]}
    trained_on = _nodes_named(trainers, nodes)
    world_size: int = batch["world_size"]
    if world_size % len(trained_on):
        raise ValueError(
            f"{world_size} ranks (batch.world_size) cannot be divided among {len(trained_on)} nodes evenly"
        )
    each = world_size // len(trained_on)
    # The daemon demands whole groups only where styles come from the batch.
    group: int = style["group"] if style["enabled"] and style["source"] == "in-batch" else 1
    if slices is None:
        most = each * possible_counts(batch["size"], group)[-1]
        slices = chosen_count(batch["size"], group, each, makers or min(_MAKERS_FORESEEN, most))
    if slices not in possible_counts(batch["size"], group):
        raise ValueError(
            f"slices={slices}: a batch of {batch['size']} in style groups of {group} can be cut into "
            f"{', '.join(map(str, possible_counts(batch['size'], group)))}"
        )
    return Plan(
        configuration=dict(configuration),
        division=Division(batch["size"], world_size, slices),
        ranks_of={node: tuple(range(index * each, (index + 1) * each)) for index, node in enumerate(trained_on)},
        makers=makers,
        cpus=cpus if cpus is not None else _cpus_of_a_maker(nodes, trained_on),
        environment={} if cpu_path is None else {"SASSL_CPU": cpu_path},
    )


def _nodes_named(trainers: Sequence[str] | None, nodes: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The numbers of nodes that are given by number, address or name; this process's own where none are."""
    if trainers is None:
        return [ray.get_runtime_context().get_node_id()]
    found = []
    for trainer in trainers:
        fitting = [
            number
            for number, node in nodes.items()
            if trainer in (number, node["NodeManagerAddress"], node["NodeManagerHostname"])
        ]
        if len(fitting) != 1:
            known = ", ".join(sorted(f"{node['NodeManagerAddress']} ({number})" for number, node in nodes.items()))
            raise ValueError(f"{trainer!r} names {len(fitting)} nodes of the cluster; there are: {known}")
        found += fitting
    return found


def _cpus_of_a_maker(nodes: Mapping[str, Mapping[str, Any]], trained_on: Sequence[str]) -> int:
    """All cores of the smallest node that does not train; where all train, half of those of the smallest."""
    others = [int(node["Resources"].get("CPU", 0)) for number, node in nodes.items() if number not in trained_on]
    if any(others):
        return min(cores for cores in others if cores)
    return max(1, min(int(nodes[number]["Resources"].get("CPU", 1)) for number in trained_on) // 2)


class Deployment:
    """The makers and feeders of a stream. Made by `serve`; they end with `close`, and with the process that made them.

    :param detached: they outlive the process that made them.
    """

    def __init__(self, plan: Plan, *, detached: bool = False) -> None:
        self.plan: Final = plan
        self._detached = detached
        self._numbers: dict[str, int] = dict.fromkeys(plan.ranks_of, 0)
        self._stopping = threading.Event()
        self._scaler: threading.Thread | None = None
        self._starts = {node: Starts() for node in plan.ranks_of}
        self._failures = {node: Failures() for node in plan.ranks_of}
        self._chosen = _ChosenNumber(plan.name)
        # An actor that is not detached lives as long as there is a handle to it.
        self._handles: dict[str, Any] = {}

    @property
    def name(self) -> str:
        """Of the stream: what trainers attach to."""
        return self.plan.name

    @property
    def directory(self) -> str:
        """Where the rings are, on the nodes that train."""
        directory: str = self.plan.configuration["ring"]["directory"]
        return directory

    def start(self) -> None:
        """Starts everything that is not there yet."""
        existing = _names()
        fed = {
            node: any(self.plan.feeder_name(rank) in existing for rank in ranks)
            for node, ranks in self.plan.ranks_of.items()
        }
        if self._detached and not any(fed.values()):
            # What was chosen for an earlier stream of this name, whose end nobody has seen, counts no more.
            self._chosen.forget()
        chosen = self._chosen.get() if self._detached else None
        for node, ranks in self.plan.ranks_of.items():
            # Feeders come last: where they are, the makers are those that somebody has wanted since.
            if chosen is not None or not fed[node]:
                self._scale_to(node, chosen or self.plan.makers or 1)
            for rank in ranks:
                self._start_feeder(node, rank)
        if self.plan.makers is None and chosen is None:
            self._scaler = threading.Thread(target=self._scale, name="scaling", daemon=True)
            self._scaler.start()

    def wait(self, timeout: float = 600.0, progress: Callable[[str], None] = lambda _: None) -> None:
        """Waits until every rank has its ring. Raises `SasslError`, with what makers and feeders say, where not.

        :param progress: told now and then how many ranks have it, and how many makers run.
        """
        deadline = time.monotonic() + timeout
        while True:
            reports = self.status()["ranks"]
            if all(report["state"] == "running" for report in reports):
                return
            failed = [report for report in reports if report["state"] == "failed"]
            if failed:
                raise SasslError(f"rank {failed[0]['rank']} cannot be fed: {failed[0]['detail']}")
            makers = [maker for report in reports for maker in report.get("makers", [])]
            broken = [maker for maker in makers if maker["state"] == "failed"]
            if makers and len(broken) == len(makers):
                raise DaemonFailedError(
                    f"no maker can start. {broken[0]['name']}: {broken[0]['detail']}", broken[0]["exit_code"]
                )
            if time.monotonic() > deadline:
                raise SasslError(f"not every rank has batches after {timeout:.0f} s: {self._what_lacks(reports)}")
            ready = sum(report["state"] == "running" for report in reports)
            at_work = sum(maker["state"] == "running" for maker in makers)
            progress(
                f"waiting for the first batches: {ready} of {len(reports)} ranks have them, "
                f"{at_work} of {len(makers)} makers run"
            )
            time.sleep(_LOOK_SECONDS)

    def _what_lacks(self, reports: Sequence[Mapping[str, Any]]) -> str:
        states = [
            f"rank {report['rank']} is {report['state']}"
            + "".join(f"; {maker['name']} is {maker['state']} {maker['detail']}" for maker in report.get("makers", []))
            for report in reports
        ]
        return f"{'. '.join(states)}. Makers ask for {self.plan.cpus} CPUs each; `ray status` says which are free"

    def attach(self, rank: int = 0, *, start: Any = 0, **options: Any) -> Reader:
        """Attaches to the ring of a rank on this node. The arguments are those of `sassl.attach`."""
        return attach(
            self.name,
            rank,
            start=start,
            world_size=self.plan.division.world_size,
            directory=self.directory,
            **options,
        )

    def add_maker(self, node: str | None = None) -> str:
        """Starts one more maker for the ranks on a node, by default the first that trains; returns its name."""
        node = node or next(iter(self.plan.ranks_of))
        existing = self._makers(node)
        number = self._numbers[node] = max(
            [self._numbers[node], *(int(name.rpartition(".")[2]) + 1 for name in existing)]
        )
        self._numbers[node] += 1
        name = f"{self.plan.makers_prefix(node)}{number}"
        configuration = slice_configuration(self.plan.configuration, self.plan.division, self.plan.ranks_of[node])
        configuration["workers"] = {"count": self.plan.cpus}
        configuration["ring"] = {**configuration["ring"], "slots": _MAKER_SLOTS, "group": ""}
        # The first is where the trainer is, if there are cores: what it makes crosses no network.
        strategy = "SPREAD" if existing else NodeAffinitySchedulingStrategy(node, soft=True)
        self._create(
            Maker, name, configuration, self.plan.environment, num_cpus=self.plan.cpus, scheduling_strategy=strategy
        )
        return name

    def scale(self, makers: int) -> None:
        """From now on so many makers make batches for each node that trains. The stream goes on."""
        if makers < 1:
            raise ValueError(f"makers={makers}: at least one has to make batches")
        most = self.plan.division.count * min(map(len, self.plan.ranks_of.values()))
        if makers > most:
            raise ValueError(f"makers={makers}: the slices of each batch are enough for {most}")
        self._end_scaling()
        if self._detached:
            self._chosen.set(makers)
        for node in self.plan.ranks_of:
            self._scale_to(node, makers)

    def _scale_to(self, node: str, makers: int) -> None:
        names = self._makers(node)
        for _ in range(makers - len(names)):
            self.add_maker(node)
        surplus = len(names) - makers
        if surplus > 0:
            self._end(*in_order_of_leaving(states_of(names, self._reports(node)))[:surplus])

    def remove_maker(self, name: str) -> None:
        """Ends a maker; the others make its slices."""
        self._end(name)

    def _start_feeder(self, node: str, rank: int) -> None:
        name = self.plan.feeder_name(rank)
        if name in _names():
            return
        options = FeederOptions(
            name=self.name,
            rank=rank,
            ranks=self.plan.ranks_of[node],
            division=self.plan.division,
            directory=self.directory,
            slots=self.plan.configuration["ring"]["slots"],
            group=self.plan.configuration["ring"]["group"],
            makers=self.plan.makers_prefix(node),
        )
        self._create(
            Feeder,
            name,
            options,
            num_cpus=0,
            max_concurrency=4,
            scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False),
        )

    def _create(self, kind: type, name: str, *arguments: Any, **options: Any) -> None:
        actor: Any = ray.remote(kind).options(
            name=name,
            namespace=NAMESPACE,
            # What is wrong with a node or a process passes; what is wrong with the stream is told in the reports.
            max_restarts=-1,
            lifetime="detached" if self._detached else None,
            **options,
        )
        self._handles[name] = actor.remote(*arguments)

    def _makers(self, node: str) -> list[str]:
        """The makers for the ranks on a node, in the order in which they were started."""
        names = [name for name in _names() if name.startswith(self.plan.makers_prefix(node))]
        return sorted(names, key=lambda name: int(name.rpartition(".")[2]))

    def status(self) -> dict[str, Any]:
        """How everything is doing; the form is that of `sassl-ray status --json`."""
        return status_of(self.name, [rank for ranks in self.plan.ranks_of.values() for rank in ranks])

    def _reports(self, node: str) -> list[dict[str, Any]]:
        """How the ranks on a node are doing."""
        ranks = self.plan.ranks_of[node]
        return [report for report in self.status()["ranks"] if report["rank"] in ranks]

    def _scale(self) -> None:
        """The life of the thread that starts and ends makers by need."""
        trouble = ""
        while not self._stopping.wait(_SCALING_SECONDS):
            for node in self.plan.ranks_of:
                try:
                    self._scale_node(node)
                except Exception as error:
                    # Most of it passes, as a head node that does not answer does. What does not is said once.
                    said, trouble = trouble, f"{self.name}: makers cannot be counted. {type(error).__name__}: {error}"
                    if trouble != said:
                        say(trouble, file=sys.stderr)

    def _scale_node(self, node: str) -> None:
        """Starts or ends one maker, if the ranks on a node need more or fewer."""
        # A rank whose stream has ended needs none.
        reports = [report for report in self._reports(node) if report["state"] != "failed"]
        if not reports or any("ring" not in report for report in reports):
            return
        states = states_of(self._makers(node), reports)
        on_their_way = self._starts[node].on_their_way(states, time.monotonic())
        hopeless = self._failures[node].hopeless(states, time.monotonic())
        most = self.plan.division.count * len(reports)
        wanted = needed_makers(
            len(states),
            starved=max(report["ring"]["trainer_starved_percent"] for report in reports) / 100,
            full=min(report["ring"]["full_percent"] for report in reports) / 100,
            # One more than there is work for means that there is work for one that runs in place of one that does not.
            most=most + 1,
        )
        # Whether another one is needed shows when those on their way are there. One that cannot run is not waited for.
        if wanted < len(states) or len(states) > most:
            self._end(in_order_of_leaving(states)[0])
        elif wanted > len(states) and not on_their_way:
            if len(states) < most and some_node_has(self.plan.cpus):
                self.add_maker(node)
            elif len(states) >= most and hopeless:
                self._end(hopeless[0])

    def _end_scaling(self) -> None:
        self._stopping.set()
        if self._scaler is not None:
            self._scaler.join()

    def _end(self, *names: str) -> None:
        """Lets actors tidy up, all at once, and ends them."""
        handles: list[Any] = []
        for name in names:
            with contextlib.suppress(ValueError, RayError):
                handles.append(ray.get_actor(name, namespace=NAMESPACE))
        ended: list[Any] = [handle.stop.remote() for handle in handles]
        if ended:
            ray.wait(ended, num_returns=len(ended), timeout=_STOP_SECONDS)
        for handle in handles:
            with contextlib.suppress(RayError):
                ray.kill(handle)
        for name in names:
            self._handles.pop(name, None)

    def close(self) -> None:
        """Ends everything: the rings are removed, and nothing is left on any node."""
        self._end_scaling()
        names = _names()
        # Feeders first, so that none asks makers that have gone.
        self._end(*(name for name in names if name.startswith(f"{self.name}.feeder.")))
        self._end(*(name for name in names if name.startswith(f"{self.name}.maker.")))
        if self._detached:
            self._chosen.forget()

    def __enter__(self) -> Deployment:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _ChosenNumber:
    """How many makers somebody has asked for while a stream was served.

    Ray keeps it on the head node: a coordinator that is started again is told no more than at first.
    """

    def __init__(self, stream: str) -> None:
        self._key = f"{stream}.makers".encode()

    def get(self) -> int | None:
        """The number; nothing where nobody has chosen one."""
        kept = internal_kv._internal_kv_get(self._key, namespace=NAMESPACE.encode())
        return int(kept) if kept is not None else None

    def set(self, makers: int) -> None:
        """Notes it."""
        internal_kv._internal_kv_put(self._key, str(makers).encode(), namespace=NAMESPACE.encode())

    def forget(self) -> None:
        """Nobody has chosen any."""
        internal_kv._internal_kv_del(self._key, namespace=NAMESPACE.encode())


def some_node_has(cpus: int) -> bool:
    """Whether any one node has so many cores free: what two nodes have together is of no use to an actor."""
    return any(free.get("CPU", 0) >= cpus for free in available_resources_per_node().values())


def _names() -> set[str]:
    """The actors of all streams."""
    listed = ray.util.list_named_actors(all_namespaces=True)
    return {entry["name"] for entry in listed if entry["namespace"] == NAMESPACE}


def streams() -> list[str]:
    """The names of the streams that are served on this cluster."""
    return sorted({name.partition(".feeder.")[0] for name in _names() if ".feeder." in name})


def status_of(name: str, ranks: Sequence[int] = ()) -> dict[str, Any]:
    """How the feeders of a stream and their makers are doing, those of `ranks` also where they are not there."""
    prefix = f"{name}.feeder."
    there = {int(actor.removeprefix(prefix)) for actor in _names() if actor.startswith(prefix)}
    asked: dict[int, Any] = {}
    for rank in sorted(there | set(ranks)):
        with contextlib.suppress(ValueError, RayError):
            feeder: Any = ray.get_actor(f"{prefix}{rank}", namespace=NAMESPACE)
            asked[rank] = feeder.report.remote()
    if asked:
        ray.wait(list(asked.values()), num_returns=len(asked), timeout=_ANSWER_SECONDS)
    reports = []
    for rank in sorted(there | set(ranks)):
        report: dict[str, Any] = {
            "rank": rank,
            "state": "starting",
            "detail": "its feeder does not answer",
            "makers": [],
        }
        with contextlib.suppress(RayError):
            report = ray.get(asked[rank], timeout=0) if rank in asked else report
        reports.append(report)
    return {"format_version": 1, "name": name, "ranks": reports}


def serve(
    dataset: str | os.PathLike[str] | None = None,
    *,
    config: str | os.PathLike[str] | None = None,
    makers: int | None = None,
    slices: int | None = None,
    cpus: int | None = None,
    trainers: Sequence[str] | None = None,
    cpu_path: str | None = None,
    wait: float = 600.0,
    **settings: Any,
) -> Deployment:
    """Makes batches on the nodes of the Ray cluster that this process is connected to, for trainers on some of them.

    For example:

        ray.init(address="auto")
        with sassl.ray.serve("/data/imagenet/train", preset="mocov2", batch_size=256, makers=4) as serving:
            reader = serving.attach(start=0)          # or sassl.attach(NAME) in any process of this node

    Data set and settings, or the configuration file, are those of `sassl.serve`; paths must mean the same on every
    node. The stream is that of one daemon with that configuration, and so are the batches, byte for byte.

    :param makers: how many daemons make batches for each node that trains, the first on that node itself; by default as
        many as its trainers need, beginning with one.
    :param slices: into how many slices each batch is cut; by default enough for every maker to have its share.
    :param cpus: cores of each maker; by default all of the smallest node that does not train.
    :param trainers: the nodes that train, by address or by their number in Ray, the ranks in their order; by default
        the node of this process alone.
    :param cpu_path: the instructions for every maker's style networks, `avx2` say; by default the best of each node.
    :param wait: seconds to wait for the first batches.
    :raises DaemonFailedError: no maker's `sassld` starts, with what it said.
    :raises SasslError: a ring cannot be made, or not in time.
    """
    plan = planned(
        configuration_of(dataset, config, settings),
        makers=makers,
        slices=slices,
        cpus=cpus,
        trainers=trainers,
        cpu_path=cpu_path,
    )
    free_by = time.monotonic() + _LEAVING_SECONDS
    while plan.name in streams():
        if time.monotonic() > free_by:
            raise SasslError(f"the stream {plan.name} is served on this cluster already: choose another stream.name")
        time.sleep(_LOOK_SECONDS)
    deployment = Deployment(plan)
    try:
        deployment.start()
        deployment.wait(wait)
    except BaseException:
        deployment.close()
        raise
    return deployment


def configuration_of(
    dataset: str | os.PathLike[str] | None = None,
    config: str | os.PathLike[str] | None = None,
    settings: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The configuration that the arguments of `serve` mean, as `sasslctl config show --json` has it."""
    folder = new_folder()
    try:
        return shown(configuration_file(folder, dataset, config, settings or {}))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
