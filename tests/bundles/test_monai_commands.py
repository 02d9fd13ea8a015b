"""The commands of ``python -m monai.bundle``, on bundles of every kind."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import onnxruntime
import pytest
import torch
from monai.bundle import init_bundle
from monai.data.torchscript_utils import load_net_with_metadata

from brats3d.bundles.running import GUARD

Make = Callable[[str], Path]
KINDS = ("sigmoid", "softmax", "slices")
kinds = pytest.mark.parametrize("kind", KINDS)
SCHEMA = Path(__file__).parent / "data" / "metadata_schema.json"
CONFIGS = ("--meta_file", "configs/metadata.json", "--config_file", "configs/inference.json")
WEIGHTS = ("--ckpt_file", "models/model.pt", "--key_in_ckpt", "model")
# Folders with command lines, one after the other, as `python -m monai.bundle` would have them there.
PROGRAM = f"""{GUARD}
import json, runpy
for folder, lines in json.loads(sys.argv[1]).items():
    os.chdir(folder)
    print("in", folder, flush=True)
    for words in lines:
        sys.argv[1:] = words
        try:
            runpy.run_module("monai.bundle", run_name="__main__", alter_sys=True)
        except SystemExit as end:
            if end.code:
                raise
"""


def command_lines(kind: str, case: Path, out: Path) -> list[list[str]]:
    """Commands for a bundle of a kind; writes the data list that one of them reads."""
    first = "flair" if kind == "slices" else "t1"
    listed = {
        "image": str(case / f"{case.name}_{first}.nii.gz"),
        "label": str(case / f"{case.name}_seg.nii.gz"),
    }
    (out / "list.json").write_text(json.dumps({"testing": [listed]}))
    return [
        ["verify_metadata", "--meta_file", "configs/metadata.json", "--filepath", str(SCHEMA)],
        ["verify_net_in_out", "network_def", "--device", "cpu", *CONFIGS],
        ["ckpt_export", "network_def", "--filepath", str(out / "model.ts"), *WEIGHTS, *CONFIGS],
        [
            *("onnx_export", "network_def", "--filepath", str(out / "model.onnx"), *WEIGHTS, *CONFIGS),
            *("--use_trace", "True", "--converter_kwargs", "{'dynamo':False}"),
        ],
        [
            *("run", "--config_file", "['configs/inference.json','configs/evaluate.json']"),
            *("--datalist", f"%{out / 'list.json'}#testing", "--output_dir", str(out / "predicted")),
            *("--device", "$torch.device('cpu')"),
        ],
    ]


@pytest.fixture(scope="module")
def done(bundle_of: Make, case: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the commands wrote, and said in ``log``: a folder for each kind of bundle."""
    folder = tmp_path_factory.mktemp("commands")
    lines = {}
    for kind in KINDS:
        (folder / kind).mkdir()
        lines[str(bundle_of(kind))] = command_lines(kind, case, folder / kind)
    # One process for all, which cannot import this package; the scripts of all bundles are the same.
    words = [sys.executable, "-I", "-B", "-c", PROGRAM, json.dumps(lines)]
    ran = subprocess.run(
        words,
        cwd=bundle_of(KINDS[0]),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout[-3000:]
    for kind in KINDS:
        said = ran.stdout.partition(f"in {bundle_of(kind)}\n")[2]
        (folder / kind / "log").write_text(said.partition("\nin /")[0])
    return folder


@kinds
def test_metadata_are_verified(done: Path, kind: str) -> None:
    assert "metadata is verified with no error." in (done / kind / "log").read_text()


@kinds
def test_the_shapes_of_the_network_are_verified(done: Path, kind: str) -> None:
    assert "data shape of network is verified with no error." in (done / kind / "log").read_text()


@kinds
def test_ckpt_export_makes_a_torchscript_of_the_weights(bundle_of: Make, done: Path, kind: str) -> None:
    found, metadata, extra = load_net_with_metadata(
        str(done / kind / "model.ts"), more_extra_files=["inference.json"]
    )
    assert metadata["name"] == kind
    assert json.loads(extra["inference.json"])["precision"] == "32-true"
    ours = torch.jit.load(bundle_of(kind) / "models" / "model.ts")
    with torch.inference_mode():
        assert torch.equal(found(image(kind)), ours(image(kind)))


@kinds
def test_onnx_export_makes_a_file_of_the_weights(bundle_of: Make, done: Path, kind: str) -> None:
    session = onnxruntime.InferenceSession(done / kind / "model.onnx", providers=["CPUExecutionProvider"])
    (logits,) = session.run(None, {session.get_inputs()[0].name: image(kind).numpy()})
    with torch.inference_mode():
        expected = torch.jit.load(bundle_of(kind) / "models" / "model.ts")(image(kind)).numpy()
    np.testing.assert_allclose(logits, expected, atol=1e-3)


@kinds
def test_cases_come_from_a_data_list(done: Path, kind: str) -> None:
    written = {path.name for path in (done / kind / "predicted").iterdir()}
    assert {path for path in written if path.endswith(".nii.gz")} == {"BraTS2021_00001.nii.gz"}
    labels = np.asarray(nib.load(done / kind / "predicted" / "BraTS2021_00001.nii.gz").dataobj)
    assert labels.shape == (32, 32, 32)
    assert "BraTS2021_00001" in (done / kind / "predicted" / "metrics.csv").read_text()


def image(kind: str) -> torch.Tensor:
    shape = (1, 2, 32, 32) if kind == "slices" else (1, 4, 16, 16, 16)
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("version", None),
        ("version", 1),
        ("network_data_format", {"inputs": {}}),
        ("second_data_format", {"inputs": {}}),
        ("eval_metrics", {"d": "x"}),
        ("supported_apps", ["monai-label"]),
    ],
)
def test_the_schema_rejects_what_is_no_metadata(
    bundle_of: Make, tmp_path: Path, key: str, value: object
) -> None:
    from monai.bundle import verify_metadata

    metadata = json.loads((bundle_of("sigmoid") / "configs" / "metadata.json").read_text())
    metadata[key] = value
    if value is None:
        del metadata[key]
    (tmp_path / "metadata.json").write_text(json.dumps(metadata))
    with pytest.raises(ValueError, match="Failed validating"):
        verify_metadata(meta_file=str(tmp_path / "metadata.json"), filepath=str(SCHEMA))


def test_the_layout_is_that_of_init_bundle(bundle_of: Make, tmp_path: Path) -> None:
    init_bundle(str(tmp_path / "made"), network=torch.nn.Conv3d(1, 1, 1))
    made = {path.relative_to(tmp_path / "made").as_posix() for path in (tmp_path / "made").rglob("*")}
    ours = {path.relative_to(bundle_of("sigmoid")).as_posix() for path in bundle_of("sigmoid").rglob("*")}
    assert made
    assert made <= ours, made - ours
