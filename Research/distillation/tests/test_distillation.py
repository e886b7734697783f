"""Networks of the right shape, training that can be stopped, files that read back."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest


def tool(name: str) -> Any:
    """A module of the package, imported by the tests alone that have what it needs."""
    return importlib.import_module(f"distillation.{name}")


@pytest.fixture
def networks() -> Any:
    pytest.importorskip("torch", reason="needs PyTorch")
    pytest.importorskip("safetensors", reason="needs safetensors")
    return tool("networks")


def test_networks_have_the_published_costs(networks: Any) -> None:
    teacher = networks.PredictorShape.mobilenet_v2()
    assert round(networks.StylePredictor(teacher).macs() / 1e6) == 391
    transformer = networks.StyleTransformer(networks.TransformerShape())
    assert round(transformer.macs(224) / 1e6) == 629
    assert networks.parameter_count(transformer) == 177_718


def test_a_model_file_reads_back_as_the_same_function(networks: Any, tmp_path: Path) -> None:
    import torch

    torch.manual_seed(0)
    predictor = networks.StylePredictor(networks.PredictorShape.compact())
    transformer = networks.StyleTransformer(networks.TransformerShape(4, 5, 7, 1))
    pictures = torch.rand(2, 3, 128, 128)
    predictor(pictures)  # Moves the running statistics that are to be folded.
    predictor.eval()
    model_file = tool("model_file")
    path = tmp_path / "model.safetensors"
    model_file.save_model(path, predictor, transformer, "a test", "none")
    read_predictor, read_transformer = model_file.load_model(path)
    with torch.inference_mode():
        z = predictor(pictures)
        # Weights were rounded to eleven bits; outputs agree to that order.
        assert torch.allclose(read_predictor(pictures), z, atol=2e-2 * float(z.abs().max()))
        content = pictures[:, :, :24, :32]
        assert torch.allclose(read_transformer(content, z), transformer(content, z), atol=2e-2)


def test_a_transformer_on_patches_costs_what_it_says_and_reads_back(networks: Any, tmp_path: Path) -> None:
    import torch

    patches, model_file = tool("patch_networks"), tool("model_file")
    assert round(patches.PatchTransformer(patches.PatchShape()).macs(224) / 1e6) == 506

    torch.manual_seed(0)
    transformer = patches.PatchTransformer(patches.PatchShape(16, 32, 32, 1))
    predictor = networks.StylePredictor(networks.PredictorShape.compact()).eval()
    path = tmp_path / "model.safetensors"
    model_file.save_model(path, predictor, transformer, "a test", "none")
    read = model_file.load_model(path)[1]
    content, z = torch.rand(2, 3, 24, 32), torch.randn(2, 100)
    with torch.inference_mode():
        assert torch.allclose(read(content, z), transformer(content, z), atol=2e-2)


def test_new_ends_keep_the_residual_blocks(networks: Any) -> None:
    import torch

    patches = tool("patch_networks")
    start = networks.StyleTransformer(networks.TransformerShape(8, 5, 5, 2))
    shape = patches.PatchShape(16, 32, 16, 2)
    student = tool("train_patches").with_patches(start, shape)
    features, z = torch.rand(1, 32, 6, 6), torch.randn(1, 100)
    for kept, given in zip(student.residual, start.residual, strict=True):
        assert torch.equal(
            networks.residual_block(kept, features, z),
            networks.residual_block(given, features, z),
        )
    # A student that has such ends already goes on with them.
    assert tool("train_patches").with_patches(student, shape) is student


def test_a_model_file_describes_its_architecture(networks: Any, tmp_path: Path) -> None:
    from safetensors import safe_open

    predictor = networks.StylePredictor(networks.PredictorShape.compact())
    transformer = networks.StyleTransformer(networks.TransformerShape(8, 5, 7, 3))
    path = tmp_path / "model.safetensors"
    tool("model_file").save_model(path, predictor, transformer, "a test", "none")
    with safe_open(path, "np") as file:
        described = json.loads(file.metadata()["architecture"])
        assert described["transformer"]["end_kernels"] == [5, 7]
        assert file.get_tensor("transformer.contract.0.weight").shape == (8, 3, 5, 5)
        assert file.get_tensor("predictor.head.weight").dtype == np.float16
        assert not any(".norm." in name for name in file.keys())  # noqa: SIM118


def test_the_held_out_pictures_are_fixed_and_never_copies_of_learnt_ones(tmp_path: Path) -> None:
    pytest.importorskip("PIL", reason="needs Pillow")
    contents, styles = tmp_path / "content", tmp_path / "style"
    for folder, names in ((contents, [f"c{i:03d}" for i in range(480)]), (styles, [f"s{i:02d}" for i in range(44)])):
        folder.mkdir()
        for name in names:
            (folder / f"{name}.jpg").touch()
    for name in ("s02_cropped", "s07_crop"):
        (styles / f"{name}.png").touch()
    parts = tool("pictures").split(contents, styles)
    assert len(parts.held_out_contents) == 60 and len(parts.held_out_styles) == 8
    assert not set(parts.contents) & set(parts.held_out_contents)
    assert not {path.stem[:3] for path in parts.styles} & {path.stem[:3] for path in parts.held_out_styles}
    assert parts == tool("pictures").split(contents, styles)


def test_soap_beats_a_badly_conditioned_problem_that_adam_crawls_on(networks: Any) -> None:
    import torch

    torch.manual_seed(0)
    mixing = torch.linalg.qr(torch.randn(12, 12))[0] @ torch.diag(torch.logspace(0, -3, 12))
    wanted = torch.randn(5, 12)

    def remaining(make: Any) -> float:
        weight = torch.nn.Parameter(torch.zeros(5, 12))
        optimiser = make([weight])
        for step in range(300):
            torch.manual_seed(step)
            x = torch.randn(32, 12) @ mixing.T
            loss = (x @ (weight - wanted).T).square().mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        return float(((weight - wanted) @ mixing).detach().square().mean())

    soap = remaining(lambda parameters: tool("optimiser").Soap(parameters, lr=2e-2))
    adam = remaining(lambda parameters: torch.optim.Adam(parameters, lr=2e-2))
    assert soap < 0.5 * adam


def test_training_that_was_stopped_continues_as_if_it_had_not_been(networks: Any, tmp_path: Path) -> None:
    import torch

    training = tool("training")

    def run(folder: str, origin: str = "", stop_after: int | None = None) -> Any:
        torch.manual_seed(0)
        student = torch.nn.Linear(4, 3)
        optimiser = tool("optimiser").Soap(student.parameters(), lr=1e-2)
        made = training.Training(tmp_path / folder / "student.pt", student, optimiser, "a line", origin)

        def losses(step: int) -> list[Any]:
            if step + 1 == stop_after:
                made.stop()
            x = torch.from_numpy(np.random.default_rng(step).standard_normal((8, 4))).float()
            return [(student(x) - x[:, :3]).square().mean()]

        made.run(training.Schedule(30, 1e-2), ["loss"], losses, largest_gradient=1.0)
        return made

    whole = run("whole")
    assert run("parts", stop_after=11).step == 11
    continued = run("parts")
    assert continued.step == whole.step == 30
    for state in ("student", "averaged"):
        assert torch.equal(getattr(continued, state).weight, getattr(whole, state).weight)
    with pytest.raises(SystemExit, match="another student"):
        run("parts", origin="elsewhere")


def test_a_grown_transformer_keeps_what_it_knew(networks: Any) -> None:
    import torch

    torch.manual_seed(0)
    grown = tool("train_transformer").grown
    start = networks.StyleTransformer(networks.TransformerShape(4, 5, 5, 4))
    same = grown(start, start.shape, 5)
    content, z = torch.rand(1, 3, 24, 32), torch.randn(1, 100)
    with torch.inference_mode():
        assert torch.equal(same(content, z), start(content, z))
    larger = grown(start, networks.TransformerShape(4, 5, 5, 5), 5)
    for old, new in enumerate([0, 1, 3, 4]):
        assert torch.equal(larger.residual[new][0].weight, start.residual[old][0].weight)
    assert torch.equal(larger.expand[2].shift.weight, start.expand[2].shift.weight)


@pytest.fixture
def rendered(tmp_path: Path) -> Path:
    """A folder of views as `prepare_views.py` leaves it when it is stopped: the last one is still to be rendered."""
    folder = tmp_path / "rendered"
    folder.mkdir()
    random = np.random.default_rng(0)
    np.save(folder / "views.npy", random.integers(0, 256, (9, 112, 112, 3), dtype=np.uint8))
    np.save(folder / "embeddings.npy", random.standard_normal((9, 100), dtype=np.float32))
    np.save(folder / "contents.npy", np.array([3, -1, 0, 1, 2, 4, 5, 6, -2], np.int32))
    return folder


def test_the_sensitivity_tells_what_an_error_changes_in_the_picture(networks: Any, rendered: Path) -> None:
    import torch

    views = tool("prepare_views").Views(rendered)
    assert len(views) == 8
    random = np.random.default_rng(1)
    torch.manual_seed(0)
    transformer = networks.StyleTransformer(networks.TransformerShape(2, 3, 3, 1)).requires_grad_(False)
    sensitivity = tool("sensitivity").sensitivity_of(transformer, views, seed=1)
    shown = np.flatnonzero(views.contents >= 0)
    x, own = views.images(shown), views.embeddings[shown]
    z = own.lerp(views.embeddings[torch.from_numpy(random.permutation(8)[: len(shown)])], 0.2)
    picture = transformer(x, z)
    for seed in range(3):
        error = 1e-2 * torch.randn(100, generator=torch.Generator().manual_seed(seed))
        change = (transformer(x, z + error) - picture).square().sum(dim=(1, 2, 3)).mean()
        assert 0.6 < float((sensitivity @ error).square().sum() / change) < 1.6


def test_checkpoints_become_a_model_file_that_can_be_continued(
    networks: Any, rendered: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    training, model_file = tool("training"), tool("model_file")

    def save(work: str, name: str, network: Any, origin: str) -> None:
        optimiser = tool("optimiser").Soap(network.parameters(), lr=1e-3)
        described = networks.shape_as_json(network.shape)
        training.Training(tmp_path / work / f"{name}.pt", network, optimiser, described, origin).save()

    def export(work: str, *more: str) -> Path:
        out = tmp_path / f"{work}.safetensors"
        command = ["export", "--views", str(rendered), "--work", str(tmp_path / work), "--out", str(out), *more]
        monkeypatch.setattr(sys, "argv", command)
        tool("export_model").main()
        return out

    torch.manual_seed(0)
    save("first", "predictor", networks.StylePredictor(networks.PredictorShape.compact(32)), "")
    save("first", "transformer", networks.StyleTransformer(networks.TransformerShape(4, 3, 3, 1)), "")
    first = export("first")
    origin = model_file.provenance_of(first)
    assert "random weights" in origin

    # A network without a checkpoint is taken from the model file, one with a checkpoint from there.
    with pytest.raises(SystemExit, match="both networks"):
        (tmp_path / "nothing").mkdir()
        export("nothing")
    save("second", "predictor", model_file.load_model(first)[0], origin)
    second = export("second", "--from", str(first))
    assert model_file.provenance_of(second).startswith(origin) and model_file.provenance_of(second) != origin
    content, z = torch.rand(1, 3, 32, 32), torch.randn(1, 100)
    with torch.inference_mode():
        for old, new in zip(model_file.load_model(first), model_file.load_model(second), strict=True):
            given = (content, z) if isinstance(old, networks.StyleTransformer) else (content,)
            assert torch.equal(old(*given), new(*given))
