"""The model card of a bundle: what it was trained on, how well it does, what it is not for."""

from __future__ import annotations

from typing import Any

from brats3d import __version__
from brats3d.bundles.source import BundleSource

_SHOWN = {"dice": "Dice", "hd95_mm": "95th percentile of the surface distance (mm)"}


def render_model_card(source: BundleSource) -> str:
    """Return ``docs/README.md``."""
    parts = [_title(source), _data(source), _scores(source), _use(source), _how_to_run(source), _LICENCE]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _title(source: BundleSource) -> str:
    model, names = source.config.model, ", ".join(source.convention.region_names)
    values = ", ".join(f"{value} = {name}" for value, name in source.label_values().items())
    return f"""
# {source.name}

Segments {names} on {", ".join(source.modalities)} MRI that is co-registered and skull-stripped.
A {model.spatial_dims}-D `{model.name}` with a {model.head} head, exported by brats3d {__version__}. This
folder needs MONAI, PyTorch, nibabel and SciPy, but not brats3d.

Label maps lie on the grid of the input files and have the values {values}."""


def _data(source: BundleSource) -> str:
    origin = (
        "**Phantoms, made up by brats3d: no patient was involved, and the model knows nothing of real MRI.**"
        if source.on_phantoms
        else f"A data set of the user's, files named as in `{source.layout}`; the bundle does not hold it."
    )
    cases = source.cases
    return f"""
## Data and split

{origin}

Cases: {cases["train"]} for training, {cases["val"]} for validation, {cases["test"]} for testing, parted by
patient."""


def _scores(source: BundleSource) -> str:
    regions: dict[str, Any] = source.summary.get("regions", {})
    part = source.summary.get("split")
    if not regions or part is None:
        return "## Metrics\n\nNone: the run held no case out, or its training did not come to its end."
    lines = ["| Region | Metric | Mean | Cases |", "|---|---|---|---|"]
    for region, metrics in regions.items():
        for metric, name in _SHOWN.items():
            values = metrics.get(metric, {})
            mean = values.get("mean")
            shown = "not defined" if mean is None else f"{mean:.4g}"
            lines.append(f"| {region} | {name} | {shown} | {metrics.get('cases', '')} |")
    definitions: dict[str, str] = source.summary.get("definitions", {})
    meant = [f"- {name}: {definitions[metric]}" for metric, name in _SHOWN.items() if metric in definitions]
    profile = source.summary.get("profile", {})
    rules = f"Rules: `{profile.get('name')}` ({profile.get('source')})." if isinstance(profile, dict) else ""
    title = f"## Metrics on the {part} cases, checkpoint `{source.summary.get('checkpoint')}`"
    return "\n".join([title, "", *lines, "", *meant, "", rules])


def _use(source: BundleSource) -> str:
    return f"""
## Intended use and limits

For research. This is no medical device, and nobody's treatment may depend on it.

The scores above say nothing about scanners, protocols, ages or diseases that the data did not have.
All of {", ".join(source.modalities)} are needed, on one grid, without skull."""


def _how_to_run(source: BundleSource) -> str:
    example = " ".join(f"CASE_{modality}.nii.gz" for modality in source.modalities)
    return f"""
## How to run

Put the files of each case into one folder ({example}, in the
spelling of any BraTS year), or use 4-D files with the channels in this order. Then, in the folder of the
bundle:

    pip install "monai[fire,nibabel]" torch scipy
    python -m monai.bundle run --config_file configs/inference.json --dataset_dir DIR --output_dir OUT

With label maps beside the images (`CASE_seg.nii.gz`), `metrics.csv`, `lesions.csv` and `metrics.json`
are written to `OUT`, by the rules of `--profile` (`brats2023-gli` unless it is given):

    python -m monai.bundle run --config_file "['configs/inference.json','configs/evaluate.json']" \\
        --dataset_dir DIR --output_dir OUT

`configs/torchscript.json`, laid over `configs/inference.json` in the same way, runs `models/model.ts`
(in float32).
The configuration files of any bundle are programs: run only bundles that you trust."""


_LICENCE = """
## Licence

The scripts are part of brats3d, Apache License 2.0 (see `LICENSE`). The weights may be used as the licence
of the training data allows."""
