"""Features of one case: its files are read, checked and measured."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from brats3d.cases import Case
from brats3d.errors import DataError
from brats3d.features import Brain, CaseFeatures, FeatureSettings, case_features
from brats3d.imaging import Geometry, read_geometry, read_volume
from brats3d.labels import LabelConvention
from brats3d.workflows.extraction_inputs import MaskedCase
from brats3d.workflows.label_maps import check_header, checked_labels, shown_grid
from brats3d.workflows.scoring import in_one_line


@dataclass(frozen=True)
class CaseResult:
    """What became of a case: its features, or what is wrong."""

    case_id: str
    features: CaseFeatures | None = None
    failure: str = ""


@dataclass(frozen=True)
class Extractor:
    """Everything that decides the features of given files; it crosses to other processes.

    Attributes:
        settings: Which features, and how.
        convention: Meaning of the masks' values, and the regions.
        modalities: Images to use.
        normalise: Whether images are put in standard deviations from the mean of the brain.
        check_affine: Whether headers must agree about the place in space; shapes always must.
    """

    settings: FeatureSettings
    convention: LabelConvention
    modalities: tuple[str, ...] = field(default=())
    normalise: bool = False
    check_affine: bool = True

    def __call__(self, masked: MaskedCase) -> CaseResult:
        """Extract; what is wrong with the case's files becomes its failure.

        Raises:
            MissingExtraError: A package is not installed, whatever the case.
        """
        try:
            with masked.case.here() if masked.case is not None else nullcontext():
                return CaseResult(masked.case_id, self._extract(masked))
        except DataError as error:
            return CaseResult(masked.case_id, failure=in_one_line(error))
        except MemoryError:
            return CaseResult(
                masked.case_id, failure="not enough memory for this case; free some, or lower jobs"
            )

    def _extract(self, masked: MaskedCase) -> CaseFeatures:
        check_header(masked.mask)
        geometry = read_geometry(masked.mask)
        images = {} if masked.case is None else self._images(masked.case, masked.mask, geometry)
        labels = checked_labels(read_volume(masked.mask)[0], self.convention, "mask", masked.mask)
        regions = dict(zip(self.convention.region_names, self.convention.to_regions(labels), strict=True))
        brain = None
        if masked.case is not None and (self.normalise or self.settings.has("location")):
            inside = self._brain(masked.case, images, masked.mask, geometry)
            brain = Brain.of_mask(inside, geometry.affine)
            if self.normalise:
                images = {name: _normalised(image, inside, name) for name, image in images.items()}
        given = {name: images.get(name) for name in self.modalities} if masked.case is not None else {}
        return case_features(regions, given, geometry.affine, self.settings, brain)

    def _images(self, case: Case, mask: Path, geometry: Geometry) -> dict[str, NDArray[np.float32]]:
        paths = {name: case.images[name] for name in self.modalities if name in case.images}
        if self.modalities and not paths:
            case.require(self.modalities[:1])
        for path in dict.fromkeys(paths.values()):
            self._check_grid(path, mask, geometry)
        return {name: read_volume(path, channel=case.channels.get(name))[0] for name, path in paths.items()}

    def _brain(
        self, case: Case, images: dict[str, NDArray[np.float32]], mask: Path, geometry: Geometry
    ) -> NDArray[np.bool_]:
        if case.brain_mask is None:
            from brats3d.transforms.brain import find_brain  # loads torch, which takes seconds

            stack = np.empty((len(images), *geometry.shape), dtype=np.float32)
            for channel, image in zip(stack, images.values(), strict=True):
                channel[...] = image
            return find_brain(np.nan_to_num(stack, copy=False))
        self._check_grid(case.brain_mask, mask, geometry)
        inside = read_volume(case.brain_mask)[0] > 0
        if not inside.any():
            raise DataError("the brain mask is empty", where=case.brain_mask, remedy="make it again")
        return inside

    def _check_grid(self, image: Path, mask: Path, geometry: Geometry) -> None:
        found = read_geometry(image)
        difference = found.difference(geometry)
        if difference is None or not (self.check_affine or found.shape != geometry.shape):
            return
        raise DataError(
            f"the mask is not on the grid of its image: {difference}",
            where=mask,
            got=shown_grid(geometry),
            expected=f"{shown_grid(found)}, as in {image}",
            remedy="resample the mask to the image; where the headers differ but the voxels are known to "
            "line up, set check_affine to false",
        )


def _normalised(image: NDArray[np.float32], brain: NDArray[np.bool_], modality: str) -> NDArray[np.float32]:
    inside = image[brain & np.isfinite(image)].astype(np.float64)
    if not inside.size or inside.std() == 0:
        raise DataError(
            "the image is the same in all of the brain and cannot be normalised",
            where=modality,
            remedy="leave this modality out, or set normalise to false",
        )
    return ((image - inside.mean()) / inside.std()).astype(np.float32)
