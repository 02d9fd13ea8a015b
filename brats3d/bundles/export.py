"""From a run to the folder of a bundle: all or nothing."""

from __future__ import annotations

import logging
import os
import secrets
import shutil
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

from torch import nn

from brats3d import assembly
from brats3d.bundles.gate_source import GATE_WEIGHTS, GateSource
from brats3d.bundles.model_card import render_model_card
from brats3d.bundles.own_case import own_case
from brats3d.bundles.parity import check_parity
from brats3d.bundles.rendering import LOGGING, render_configs
from brats3d.bundles.scripts.ensemble import EnsembleNetwork
from brats3d.bundles.source import BundleSource
from brats3d.bundles.vendoring import write_scripts
from brats3d.bundles.weights import require_onnx, write_onnx, write_state, write_torchscript
from brats3d.config import ExportConfig
from brats3d.errors import ConfigError, OutputError, output_error
from brats3d.files import make_folder, write_json, write_text
from brats3d.workflows.gating import behind_gate
from brats3d.workflows.loading import check_segments, load_segmentation, load_weights
from brats3d.workflows.runs import RunFolder

logger = logging.getLogger(__name__)


def export(config: ExportConfig) -> Path:
    """Write a run as a bundle that needs MONAI and PyTorch, and check that it says what ``predict`` says.

    Args:
        config: Run or ensemble, gate, and output.

    Returns:
        Folder of the bundle.

    Raises:
        ConfigError: No run is named, or runs do not fit together.
        RunError: A run is incomplete or has no checkpoint, the checkpoint does not fit its
            configuration, or the bundle fails the comparison with ``predict``.
        MissingExtraError: ONNX is asked for and not installed.
        OutputError: The output exists, or cannot be written.
    """
    runs = _runs(config)
    for run in runs:
        check_segments(run)
    if config.onnx:
        require_onnx()
    source = BundleSource.of(runs[0]) if len(runs) == 1 else BundleSource.of_ensemble(runs)
    _check_portable(source)
    as_predicted = load_segmentation(runs, checkpoint=config.checkpoint, accelerator="cpu")
    gate = None
    if config.gate is not None:
        as_predicted = behind_gate(config.gate, as_predicted, runs, accelerator="cpu")
        run = RunFolder.open(config.gate)
        source, gate = source.behind(GateSource.of(run)), _classifier(run)
    output = _output(config, source)
    networks = [
        _network(run, member, config.checkpoint) for run, member in zip(runs, source.members, strict=True)
    ]
    make_folder(output.parent)
    # Beside the output, so that the last step is a rename; whole paths, since MONAI is run elsewhere.
    making = output.parent.resolve() / f".{secrets.token_hex(4)}.{output.name}"
    try:
        _write(making, source, networks, gate, onnx=config.onnx)
        logger.info("comparing the bundle with predict")
        own = own_case(runs[0], source)
        found = check_parity(making, source, own, as_predicted, networks, onnx=config.onnx)
        write_text(making / "docs" / "README.md", render_model_card(source, found))
        os.rename(making, output)
    except OSError as error:
        raise output_error(output, error) from error
    finally:
        shutil.rmtree(making, ignore_errors=True)
    return output


def _runs(config: ExportConfig) -> list[RunFolder]:
    if config.run is not None and config.ensemble:
        raise ConfigError(
            "a run and an ensemble exclude each other",
            where="run, ensemble",
            got=f"{config.run} and {', '.join(config.ensemble)}",
            remedy="leave out --run or --ensemble",
        )
    if len(config.ensemble) == 1:
        raise ConfigError(
            "an ensemble of one run",
            where="ensemble",
            got=config.ensemble[0],
            expected="two runs or more",
            remedy=f"name another run, or export the one: --run {config.ensemble[0]}",
        )
    if config.run is None and not config.ensemble:
        raise ConfigError("no run to export", where="run", remedy="name a run folder: --run runs/NAME")
    return [RunFolder.open(path) for path in config.ensemble or (str(config.run),)]


def _check_portable(source: BundleSource) -> None:
    crf = source.config.postprocess.crf
    if crf.iterations:
        raise ConfigError(
            "a bundle has no random field, and would not say what predict says",
            where="postprocess.crf.iterations",
            got=crf.iterations,
            expected="0",
            remedy="set it to 0 in the config.yaml of the run to export its network without the field",
        )


def _output(config: ExportConfig, source: BundleSource) -> Path:
    output = Path(config.output) if config.output is not None else Path("bundles") / source.name
    if output.exists() or output.is_symlink():
        raise OutputError(
            "the output exists already",
            where=output,
            remedy="choose another --output, or remove what is there",
        )
    return output


def _network(run: RunFolder, source: BundleSource, checkpoint: str) -> nn.Module:
    head = assembly.build_head(source.config, source.convention)
    network = assembly.build_network(source.config, head)
    load_weights(network, run.checkpoint(checkpoint))
    return network.eval()


def _classifier(run: RunFolder) -> nn.Module:
    network = assembly.build_classifier_network(run.config())
    load_weights(network, run.checkpoint())
    return network.eval()


def _write(
    folder: Path,
    source: BundleSource,
    networks: Sequence[nn.Module],
    gate: nn.Module | None,
    *,
    onnx: bool,
) -> None:
    configs = render_configs(source, onnx=onnx)
    folder.mkdir()
    for name, content in configs.items():
        write_json(folder / "configs" / name, content)
    write_text(folder / "configs" / "logging.conf", LOGGING)
    write_scripts(folder)
    write_text(folder / "LICENSE", _licence())
    models = folder / "models"
    make_folder(models)
    network = EnsembleNetwork(networks, source.config.model.head) if source.is_ensemble else networks[0]
    write_state(network, models / "model.pt")
    if gate is not None:
        make_folder((folder / GATE_WEIGHTS).parent)
        write_state(gate, folder / GATE_WEIGHTS)
    write_torchscript(network, models / "model.ts", source, configs["metadata.json"])
    if onnx:
        write_onnx(network, models / "model.onnx", source)


def _licence() -> str:
    """Text of the licence: of the installed package, else of the checkout."""
    try:
        text = metadata.distribution("brats3d").read_text("licenses/LICENSE")
    except metadata.PackageNotFoundError:
        text = None
    if text is None:
        text = (Path(__file__).parents[2] / "LICENSE").read_text(encoding="utf-8")
    return text
