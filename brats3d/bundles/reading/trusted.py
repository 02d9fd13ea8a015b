"""Bundles of others: programs, run by MONAI when the user trusts them.

Of ``configs/inference`` these parts are used: ``preprocessing`` gets the files of a case as ``image``, in
the channel order that the metadata name; ``network_def`` with the weights in ``models/model.pt`` and
``inferer`` make ``pred`` of it; ``postprocessing`` makes masks of regions or label values of that, on
the grid of the files.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from monai.bundle import ConfigParser
from monai.transforms import Compose, SaveImage, SaveImaged
from torch import nn

from brats3d import assembly
from brats3d.bundles.reading.channels import input_modalities
from brats3d.bundles.reading.folder import BundleFolder
from brats3d.bundles.reading.importing import importing_from
from brats3d.bundles.reading.meaning import OutputMeaning, output_meaning
from brats3d.bundles.reading.weights import load_weights, read_weights
from brats3d.cases import Case
from brats3d.config import PredictConfig
from brats3d.errors import Brats3dError, ConfigError, RunError
from brats3d.imaging import read_volume, write_image
from brats3d.labels import LabelConvention
from brats3d.transforms.loading import LoadCase
from brats3d.workflows.segmentation import SegmentedCase

_PARTS = ("preprocessing", "network_def", "inferer", "postprocessing")


@dataclass(frozen=True)
class TrustedSegmentation:
    """The parts of a bundle that MONAI built.

    Attributes:
        bundle: The folder.
        modalities: Input channels.
        meaning: What the result says.
        preprocessing: From paths to ``image``.
        network: The network, on its device.
        inferer: Batch and network to the batch of results.
        postprocessing: From ``pred`` to masks or label values.
        device: Where the network is.
    """

    bundle: BundleFolder
    modalities: tuple[str, ...]
    meaning: OutputMeaning
    preprocessing: Any
    network: nn.Module
    inferer: Any
    postprocessing: Any
    device: str

    @property
    def convention(self) -> LabelConvention:
        """Regions and label values of the result."""
        return self.meaning.convention

    def __call__(self, case: Case, convention: LabelConvention) -> SegmentedCase:
        """Segment one case, see :class:`~brats3d.workflows.segmentation.CaseSegmentation`."""
        # For its checks: MONAI's readers would take images of different grids, or without content.
        grid = LoadCase(self.modalities, with_label=False, label_geometry="strict")(case)["geometry"]
        with tempfile.TemporaryDirectory(prefix="brats3d-bundle-") as folder:
            files = [self._file(case, modality, Path(folder)) for modality in self.modalities]
            with _told(self.bundle, f"segments {case.case_id}"), torch.inference_mode():
                sample = self.preprocessing({"image": files if len(files) > 1 else files[0]})
                sample["pred"] = self.inferer(sample["image"][None].to(self.device), self.network)[0]
                result = self.postprocessing(sample)["pred"]
        classes, regions = self.meaning.read(result, grid, self.bundle.path)
        return SegmentedCase(case.case_id, convention.from_classes(classes), regions, grid)

    @staticmethod
    def _file(case: Case, modality: str, folder: Path) -> str:
        """The file of a modality; a channel of a 4-D file is written by itself."""
        path, channel = case.images[modality], case.channels.get(modality)
        if channel is None:
            return str(path)
        alone = folder / f"{case.case_id}_{modality}.nii.gz"
        write_image(alone, *read_volume(path, channel=channel), overwrite=False)
        return str(alone)


@contextmanager
def trusted_segmentation(bundle: BundleFolder, config: PredictConfig) -> Iterator[TrustedSegmentation]:
    """Build the parts of a bundle; its modules can be imported inside.

    Raises:
        ConfigError: A setting that only runs and known bundles have.
        RunError: A part is missing or cannot be built, or the metadata cannot be understood.
    """
    check_settings(config)
    modalities, meaning = input_modalities(bundle), output_meaning(bundle)
    device = assembly.hardware(config.accelerator, "32-true").device
    with importing_from(bundle.path):
        with _told(bundle, "is built"):
            parts = _build(bundle, device)
        network = parts["network_def"]
        if not isinstance(network, nn.Module):
            raise _failed(bundle, "is built", f"network_def is a {type(network).__name__}")
        load_weights(network, read_weights(bundle.weights), bundle.weights)
        yield TrustedSegmentation(
            bundle,
            modalities,
            meaning,
            parts["preprocessing"],
            network.to(device).eval(),
            parts["inferer"],
            _without_saving(parts["postprocessing"]),
            device,
        )


def check_settings(config: PredictConfig) -> None:
    """Check that nothing is asked for that a bundle of others does not have.

    Raises:
        ConfigError: Something is.
    """
    wanted = {
        "probabilities": config.probabilities,
        "flips": config.flips is not None,
        "overlap": config.overlap is not None,
    }
    for key, is_wanted in wanted.items():
        if is_wanted:
            raise ConfigError(
                "a setting that a bundle of others does not have",
                where=key,
                expected="its own programs decide on it; the result is a label map",
                remedy=f"leave out --{key}",
            )


def _build(bundle: BundleFolder, device: str) -> dict[str, Any]:
    parser = ConfigParser()
    parser.read_config(str(bundle.inference))
    parser["bundle_root"] = str(bundle.path.resolve())
    parser["device"] = torch.device(device)
    missing = [part for part in _PARTS if part not in parser]
    if missing:
        raise RunError(
            "a part of the bundle's configuration is missing",
            where=bundle.inference,
            got=f"no {', '.join(missing)}",
            expected=f"{', '.join(_PARTS)}",
        )
    return {part: parser.get_parsed_content(part) for part in _PARTS}


def _without_saving(postprocessing: Any) -> Any:
    """Leave out what writes files: that is the business of ``predict``."""
    if not isinstance(postprocessing, Compose):
        return postprocessing
    steps = postprocessing.flatten().transforms
    return Compose([step for step in steps if not isinstance(step, SaveImage | SaveImaged)])


@contextmanager
def _told(bundle: BundleFolder, doing: str) -> Iterator[None]:
    """Say of whatever a bundle's programs raise that the bundle raised it."""
    try:
        yield
    except Brats3dError:
        raise
    except Exception as error:  # programs of others raise anything
        cause: BaseException = error
        while cause.__cause__ is not None:  # MONAI raises its own, whose message quotes code
            cause = cause.__cause__
        raise _failed(bundle, doing, f"{type(cause).__name__}: {cause}") from error


def _failed(bundle: BundleFolder, doing: str, got: str) -> RunError:
    return RunError(
        f"the bundle fails when it {doing}",
        where=bundle.path,
        got=got[:400],
        expected="a bundle that runs with the packages installed here",
        remedy="look into its docs and required_packages_version, or ask its authors",
    )
