"""The examples for clusters are what their schedulers accept, and give the rings the memory that they take."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from workplace import ROOT, control

kubernetes_validate = pytest.importorskip("kubernetes_validate")
yaml = pytest.importorskip("yaml")

EXAMPLE = ROOT / "python" / "examples" / "kubernetes.yaml"
# The first release in which sidecars are on unless switched off.
KUBERNETES = "1.29"
MEBIBYTE = 1 << 20


def documents() -> dict[str, Any]:
    return {document["kind"]: document for document in yaml.safe_load_all(EXAMPLE.read_text())}


def mebibytes(quantity: str) -> int:
    number, unit = re.fullmatch(r"(\d+)([MG]i)", quantity).groups()  # type: ignore[union-attr]
    return int(number) * {"Mi": 1, "Gi": 1024}[unit]


def test_kubernetes_own_schema_accepts_the_example_and_knows_every_field_of_it() -> None:
    for document in documents().values():
        kubernetes_validate.validate(document, KUBERNETES, strict=True)


def test_the_volume_and_the_memory_of_the_example_hold_its_rings(tmp_path: Path) -> None:
    found = documents()
    configuration = tmp_path / "sassld.toml"
    configuration.write_text(found["ConfigMap"]["data"]["sassld.toml"])
    examined = control("doctor", "--config", str(configuration), "--json")
    findings = {finding["subject"]: finding["found"] for finding in json.loads(examined.stdout)}
    rings, everything = (int(number) for number in re.findall(r"(\d+) MiB", findings["memory"])[:2])
    pod = found["Job"]["spec"]["template"]["spec"]
    (ring,) = [volume for volume in pod["volumes"] if volume["name"] == "ring"]
    (daemon,) = pod["initContainers"]
    assert rings <= mebibytes(ring["emptyDir"]["sizeLimit"])
    assert everything <= mebibytes(daemon["resources"]["requests"]["memory"])
