"""The model card of a bundle: what it was trained on, how well it does, what it is not for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from brats3d import __version__
from brats3d.bundles.agreement import Agreement
from brats3d.bundles.gate_card import behind, gate_scores, how_gates_run
from brats3d.bundles.source import BundleSource
from brats3d.cases import MODALITIES

_SHOWN = {"dice": "Dice", "hd95_mm": "95th percentile of the surface distance (mm)"}


def render_model_card(source: BundleSource, agreements: Sequence[Agreement]) -> str:
    """Return ``docs/README.md``.

    Args:
        source: What the bundle was made of.
        agreements: What came out when the bundle was compared with this package.
    """
    parts = [
        _title(source),
        _data(source),
        *(_scores(member, source) for member in source.members),
        *([] if source.gate is None else [gate_scores(source.gate)]),
        _use(source),
        _how_to_run(source, with_onnx=any(each.model == "model.onnx" for each in agreements)),
        _agreement(agreements),
        _LICENCE,
    ]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _title(source: BundleSource) -> str:
    names = ", ".join(source.convention.region_names)
    values = ", ".join(f"{value} = {name}" for value, name in source.label_values().items())
    return f"""
# {source.name}

Segments {names} on {", ".join(source.modalities)} {_kind(source)}.
{_networks(source)}{behind(source.gate)}
Exported by brats3d {__version__}; this folder needs MONAI, PyTorch, nibabel and SciPy, but not brats3d.

Label maps lie on the grid of the input files and have the values {values}."""


def _kind(source: BundleSource) -> str:
    if not set(source.modalities) <= set(MODALITIES):
        return "images"
    return "MRI" + (
        " that is co-registered and skull-stripped" if source.config.preprocess.crop_to_brain else ""
    )


def _networks(source: BundleSource) -> str:
    model = source.config.model
    if not source.is_ensemble:
        return f"A {model.spatial_dims}-D `{model.name}` with a {model.head} head."
    members = "\n".join(f"- {member.name} (`{member.config.model.name}`)" for member in source.members)
    return (
        f"It averages the probabilities of {len(source.members)} networks in {model.spatial_dims}-D with a "
        f"{model.head} head:\n\n{members}\n"
    )


def _data(source: BundleSource) -> str:
    origin = (
        "**Phantoms, made up by brats3d: no patient was involved, and the model knows nothing of real MRI.**"
        if source.on_phantoms
        else f"A data set of the user's, files named as in `{source.layout}`; the bundle does not hold it."
    )
    lines = []
    for member in source.members:
        cases, of_member = member.cases, f" of {member.name}" if source.is_ensemble else ""
        lines.append(
            f"Cases{of_member}, parted by patient: {cases['train']} for training, "
            f"{cases['val']} for validation, {cases['test']} for testing."
        )
    return "\n\n".join(["## Data and split", origin, *lines])


def _scores(member: BundleSource, source: BundleSource) -> str:
    alone = f" of {member.name} alone" if source.is_ensemble else ""
    alone += "" if source.gate is None else " without the gate"
    regions: dict[str, Any] = member.summary.get("regions", {})
    part = member.summary.get("split")
    if not regions or part is None:
        return f"## Metrics{alone}\n\nNone: no case was held out, or the training did not come to its end."
    lines = ["| Region | Metric | Mean | Cases |", "|---|---|---|---|"]
    for region, metrics in regions.items():
        for metric, name in _SHOWN.items():
            values = metrics.get(metric, {})
            mean = values.get("mean")
            shown = "not defined" if mean is None else f"{mean:.4g}"
            lines.append(f"| {region} | {name} | {shown} | {metrics.get('cases', '')} |")
    definitions: dict[str, str] = member.summary.get("definitions", {})
    meant = [f"- {name}: {definitions[metric]}" for metric, name in _SHOWN.items() if metric in definitions]
    profile = member.summary.get("profile", {})
    rules = f"Rules: `{profile.get('name')}` ({profile.get('source')})." if isinstance(profile, dict) else ""
    title = f"## Metrics{alone} on the {part} cases, checkpoint `{member.summary.get('checkpoint')}`"
    return "\n".join([title, "", *lines, "", *meant, "", rules])


def _use(source: BundleSource) -> str:
    scored = "Nobody has scored the mean of the networks. " if source.is_ensemble else ""
    scored += "" if source.gate is None else "Nobody has scored the segmentation behind the gate. "
    return f"""
## Intended use and limits

For research. This is no medical device, and nobody's treatment may depend on it.

{scored}The scores above say nothing about scanners, protocols, ages or diseases that the data did not have.
All of {", ".join(source.modalities)} are needed, on one grid, without skull."""


def _how_to_run(source: BundleSource, *, with_onnx: bool) -> str:
    example = " ".join(f"CASE_{modality}.nii.gz" for modality in source.modalities)
    onnx = (
        "\n`configs/onnx.json` runs `models/model.onnx` likewise (`pip install onnxruntime`)."
        if with_onnx
        else ""
    )
    training = "" if source.is_ensemble else _TRAINING
    if source.gate is not None:
        training = how_gates_run(training)
    return f"""
## How to run

Put the files of each case into one folder ({example}, in the
spelling of any BraTS year), or use 4-D files with the channels in this order. Then, in the folder of the
bundle:

    pip install "monai[fire,nibabel]" torch scipy
    python -m monai.bundle run --config_file configs/inference.json --dataset_dir DIR --output_dir OUT

Instead of `--dataset_dir`, the cases can come from a data list as MONAI has them, a JSON file with
`"testing": [{{"image": "/data/CASE_{source.modalities[0]}.nii.gz"}}, ...]` (one file of each case, all its
files in the order above, or a 4-D file; `"label"` beside it):

    python -m monai.bundle run --config_file configs/inference.json --datalist "%LIST.json#testing" \\
        --output_dir OUT

With label maps beside the images (`CASE_seg.nii.gz`), `metrics.csv`, `lesions.csv` and `metrics.json`
are written to `OUT`, by the rules of `--profile` (`brats2023-gli` unless it is given):

    python -m monai.bundle run --config_file "['configs/inference.json','configs/evaluate.json']" \\
        --dataset_dir DIR --output_dir OUT

`configs/torchscript.json`, laid over `configs/inference.json` in the same way, runs `models/model.ts`
(in float32).{onnx}

In MONAI Label, copy the folder into `model/` of the app `monaibundle` and start the server with
`--conf models NAME --conf zoo_source local`; one image of each case is enough for it to find the others.
{training}
The configuration files of any bundle are programs: run only bundles that you trust."""


_TRAINING = """
To train further, on label maps beside the images, which replaces `models/model.pt` if the validation Dice
does not fall (`configs/multi_gpu_train.json`, laid over it and started by `torchrun`: several GPUs):

    pip install pytorch-ignite
    python -m monai.bundle run --config_file configs/train.json --dataset_dir DIR --max_epochs 20
"""


def _agreement(agreements: Sequence[Agreement]) -> str:
    lines = [
        f"| `{each.model}` | {each.case} | {each.differing} of {each.voxels} | {each.largest:.1g} |"
        for each in agreements
    ]
    return "\n".join(
        [
            "## Compared with brats3d",
            "",
            "What the files with the network said when the bundle was exported, beside `brats3d predict`"
            " (`model.pt`)",
            "or the same steps in float32 (the others):",
            "",
            "| File | Case | Voxels with another label | Largest difference of a probability |",
            "|---|---|---|---|",
            *lines,
        ]
    )


_LICENCE = """
## Licence

The scripts are part of brats3d, Apache License 2.0 (see `LICENSE`). The weights may be used as the licence
of the training data allows."""
