"""From a run to the folder of a bundle: all or nothing."""

from __future__ import annotations

import logging
import os
import secrets
import shutil
from importlib import metadata
from pathlib import Path

from torch import nn

from brats3d import assembly
from brats3d.bundles.model_card import render_model_card
from brats3d.bundles.parity import check_parity
from brats3d.bundles.rendering import LOGGING, render_configs
from brats3d.bundles.source import BundleSource
from brats3d.bundles.vendoring import vendored_scripts
from brats3d.bundles.weights import with_plain_layers, write_state, write_torchscript
from brats3d.config import ExportConfig
from brats3d.errors import ConfigError, OutputError, output_error
from brats3d.files import make_folder, write_json, write_text
from brats3d.workflows.predict import load_weights
from brats3d.workflows.runs import RunFolder

logger = logging.getLogger(__name__)


def export(config: ExportConfig) -> Path:
    """Write a run as a bundle that needs MONAI and PyTorch, and check that it says what ``predict`` says.

    Args:
        config: Run and output.

    Returns:
        Folder of the bundle.

    Raises:
        ConfigError: No run is named.
        RunError: The run is incomplete or has no checkpoint, the checkpoint does not fit its
            configuration, or the bundle fails the comparison with ``predict``.
        OutputError: The output exists, or cannot be written.
    """
    if config.run is None:
        raise ConfigError("no run to export", where="run", remedy="name a run folder: --run runs/NAME")
    run = RunFolder.open(config.run)
    source = BundleSource.of(run)
    output = Path(config.output) if config.output is not None else Path("bundles") / source.name
    if output.exists() or output.is_symlink():
        raise OutputError(
            "the output exists already",
            where=output,
            remedy="choose another --output, or remove what is there",
        )
    network = assembly.build_network(source.config, assembly.build_head(source.config, source.convention))
    load_weights(network, run.checkpoint(config.checkpoint))
    plain = with_plain_layers(network)
    make_folder(output.parent)
    # Beside the output, so that the last step is a rename; whole paths, since MONAI is run elsewhere.
    making = output.parent.resolve() / f".{secrets.token_hex(4)}.{output.name}"
    try:
        _write(making, source, network, plain)
        logger.info("comparing the bundle with predict")
        check_parity(making, run, source, plain, config.checkpoint)
        os.rename(making, output)
    except OSError as error:
        raise output_error(output, error) from error
    finally:
        shutil.rmtree(making, ignore_errors=True)
    return output


def _write(folder: Path, source: BundleSource, network: nn.Module, plain: nn.Module) -> None:
    configs = render_configs(source)
    folder.mkdir()
    for name, content in configs.items():
        write_json(folder / "configs" / name, content)
    write_text(folder / "configs" / "logging.conf", LOGGING)
    for name, text in vendored_scripts().items():
        write_text(folder / "scripts" / name, text)
    write_text(folder / "docs" / "README.md", render_model_card(source))
    write_text(folder / "LICENSE", _licence())
    make_folder(folder / "models")
    write_state(network, folder / "models" / "model.pt")
    write_torchscript(plain, folder / "models" / "model.ts", source, configs["metadata.json"])


def _licence() -> str:
    """Text of the licence: of the installed package, else of the checkout."""
    try:
        text = metadata.distribution("brats3d").read_text("licenses/LICENSE")
    except metadata.PackageNotFoundError:
        text = None
    if text is None:
        text = (Path(__file__).parents[2] / "LICENSE").read_text(encoding="utf-8")
    return text
