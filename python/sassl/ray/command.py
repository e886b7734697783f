"""`sassl-ray`: serves a stream on the Ray cluster that this node belongs to, shows how it is doing, and ends it."""

from __future__ import annotations

import argparse
import itertools
import json
import logging
import sys
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

import ray
from ray.exceptions import RayError

from .. import __version__
from .._terminal import Colour, PassingLine, coloured
from ..errors import DaemonFailedError, SasslError
from . import coordinator
from .deployment import Deployment, configuration_of, planned, status_of, streams

#: Exit codes, those of `sasslctl`.
_NOT_RUNNING, _USAGE, _UNAVAILABLE, _CONFIGURATION = 3, 64, 69, 78


#: The colours of the states.
_COLOURS = {"running": Colour.GOOD, "starting": Colour.CAUTION}


class _Failure(Exception):
    """What ends the command: a sentence and an exit code."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        raise _Failure(message, _USAGE)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="sassl-ray", description=__doc__)
    parser.add_argument("--version", action="version", version=f"sassl-ray {__version__}")
    parser.add_argument(
        "--address", default="auto", help="of the cluster; by default the one that this node is part of"
    )
    commands = parser.add_subparsers(dest="command", required=True)

    up = commands.add_parser("up", help="serve a stream until `down`, whatever becomes of this command")
    up.add_argument("config", help="sassld's configuration file; its paths must mean the same on every node")
    up.add_argument("--makers", type=int, help="how many for each node that trains; without it, as many as are needed")
    up.add_argument("--slices", type=int, help="into how many slices each batch is cut")
    up.add_argument(
        "--cpus", type=int, help="cores of each maker; without it, all of the smallest node that does not train"
    )
    up.add_argument(
        "--trainers",
        nargs="+",
        metavar="NODE",
        help="nodes that train, by address, in the order of the ranks; without it those with GPUs, or else this one",
    )
    up.add_argument("--cpu-path", choices=["avx512", "avx2", "portable"], help="the same instructions on every node")
    up.add_argument("--wait", type=float, default=600, help="seconds to wait for the first batches")

    status = commands.add_parser("status", help="every ring and every maker")
    status.add_argument("name", nargs="?", help="of the stream; not needed where there is one")
    status.add_argument("--json", action="store_true", help="as JSON; the form is described in docs/json.md")

    scale = commands.add_parser("scale", help="have so many makers from now on; the stream goes on")
    scale.add_argument("name")
    scale.add_argument("makers", type=int, help="for each node that trains")

    down = commands.add_parser("down", help="end a stream and leave nothing behind")
    down.add_argument("name")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """The command. Returns its exit code."""
    words = sys.argv[1:] if arguments is None else arguments
    try:
        _carry_out(_parser().parse_args(words))
    except _Failure as failure:
        print(f"sassl-ray: {failure}", file=sys.stderr)
        # argparse takes the beginning of an option for the option.
        if any(len(word) > 2 and "--json".startswith(word) for word in itertools.takewhile("--".__ne__, words)):
            print(json.dumps({"error": {"message": str(failure), "exit_code": failure.code}}, indent=2))
        return failure.code
    return 0


def _carry_out(options: argparse.Namespace) -> None:
    """Does what the options say. Raises `_Failure`."""
    try:
        ray.init(address=options.address, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, RuntimeError) as error:
        raise _Failure(f"no Ray cluster: {error}. Start one with `ray start --head`", _UNAVAILABLE) from error
    try:
        _COMMANDS[options.command](options)
    except DaemonFailedError as error:
        raise _Failure(str(error), error.exit_code if error.exit_code > 0 else _UNAVAILABLE) from error
    except (RayError, SasslError, OSError) as error:
        raise _Failure(str(error), _UNAVAILABLE) from error
    except ValueError as error:
        raise _Failure(str(error), _CONFIGURATION) from error
    finally:
        ray.shutdown()


def _up(options: argparse.Namespace) -> None:
    with_gpus = [node["NodeID"] for node in ray.nodes() if node["Alive"] and node["Resources"].get("GPU")]
    plan = planned(
        configuration_of(config=options.config),
        makers=options.makers,
        slices=options.slices,
        cpus=options.cpus,
        trainers=options.trainers or with_gpus or None,
        cpu_path=options.cpu_path,
    )
    if plan.name in streams():
        raise _Failure(f"the stream {plan.name} is served already: `sassl-ray down {plan.name}` ends it", _UNAVAILABLE)
    print(
        f"{plan.name}: {plan.division.world_size} x {plan.division.batch_size} samples in {plan.division.count} slices "
        f"each, makers of {plan.cpus} cores",
        flush=True,
    )
    coordinator.start(plan)
    line = PassingLine()
    try:
        Deployment(plan).wait(options.wait, line.show)
    except BaseException:
        coordinator.end(plan.name)
        raise
    finally:
        line.close()
    print(f"ready: attach to {plan.name!r} on {len(plan.ranks_of)} nodes that train")


def _status(options: argparse.Namespace) -> None:
    served = streams()
    name = options.name or (served[0] if len(served) == 1 else None)
    if name is None or name not in served:
        what = f"no stream {name!r} is served" if name else "say which stream" if served else "no stream is served"
        raise _Failure(f"{what} on this cluster. There are: {', '.join(served) or 'none'}", _NOT_RUNNING)
    report = status_of(name)
    if options.json:
        print(json.dumps(report, indent=2))
    else:
        print("\n".join(_table(report)))


def _table(report: Mapping[str, Any]) -> list[str]:
    lines = []
    for rank in report["ranks"]:
        state = coloured(rank["state"], _COLOURS.get(rank["state"], Colour.PROBLEM), sys.stdout)
        lines.append(f"{report['name']} rank {rank['rank']}: {state} {rank['detail']}".rstrip())
        ring = rank.get("ring")
        if ring:
            waits = f"ring full {ring['full_percent']:.0f} %, trainer starved {ring['trainer_starved_percent']:.0f} %"
            ready = f"{ring['ready_batches']} of {ring['slots']} ready"
            lines.append(f"  on {rank['host']}, next batch {ring['next_batch']}, {ready}, {waits}")
        rows = [["maker", "host", "state", "slices", "images/s", "of at most", "lag s", ""]]
        rows += [
            [
                maker["name"],
                maker["host"],
                maker["state"],
                f"{maker['slices']} of {rank['slices']}",
                f"{maker['images_per_second']:.1f}",
                f"{maker['capacity_images_per_second']:.1f}",
                f"{maker['lag_seconds']:.2f}",
                maker["detail"],
            ]
            for maker in rank["makers"]
        ]
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
        lines += ["  " + "  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
    return lines


def _scale(options: argparse.Namespace) -> None:
    ray.get(_coordinator(options.name).scale.remote(options.makers))


def _down(options: argparse.Namespace) -> None:
    _coordinator(options.name)
    coordinator.end(options.name)


def _coordinator(name: str) -> Any:
    try:
        return coordinator.of(name)
    except ValueError:
        raise SasslError(f"no stream {name!r} that `sassl-ray up` has started is served on this cluster") from None


_COMMANDS = {"up": _up, "status": _status, "scale": _scale, "down": _down}

if __name__ == "__main__":
    sys.exit(main())
