# Written by brats3d when this bundle was exported; part of brats3d, Apache License 2.0.
"""From the files of a case to what a network sees: settings and the chain of transforms.

Processor seconds for one BraTS2021 case (4 modalities, 240x240x155, label map) on a 2-core AMD EPYC
virtual machine: 0.9 with the default settings (first case of a process 1.5), 39 with ``bias_field``
(first case 46, since ITK loads its filters), 3.7 with ``denoise="curvature_flow"``, 7.8 with
``"anisotropic_diffusion"``. The machine was busy with other jobs (load 4.6), so seconds on the clock
were up to 1.6 times as many. Peak memory of the process 0.7 GiB, 1.2 GiB with ITK. On a busy 2-core
Intel Xeon: 1.0 with the default settings, 1.7 with ``clahe`` or ``denoise="gaussian"``, 5.9 with
``"median"``, 39 with ``"non_local_means"``. Measured, with
ROOT the data set, as the differences of the figures this prints::

    python -c "import time; from brats3d.data.discovery import discover
    from brats3d.transforms.preprocessing import Preprocessing
    case, job = discover('ROOT').cases[0], Preprocessing(bias_field=True)
    print(time.process_time())
    for _ in 'ab': job.prepare(case, with_label=True); print(time.process_time())"
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from monai.transforms import Compose, CropForegroundd, MapTransform, Orientationd, Transform
from numpy.typing import NDArray

from scripts.core.cases import MODALITIES, Case, modality_named
from scripts.core.errors import Brats3dError, ConfigError, closest_first
from scripts.core.transforms.bias_field import FITTING_LEVELS, CorrectBiasFieldd
from scripts.core.transforms.brain import FindBraind, FindFieldsOfViewd
from scripts.core.transforms.clahe import CLIP_LIMIT, EqualiseAdaptivelyd
from scripts.core.transforms.denoising import DENOISERS, Denoised
from scripts.core.transforms.loading import LABEL_GEOMETRIES, LoadCase
from scripts.core.transforms.normalisation import NORMALISATIONS, NormaliseInBraind
from scripts.core.transforms.resampling import ResampleToSpacingd
from scripts.core.transforms.restoration import Restoration, orientation_change, plan_restoration
from scripts.core.transforms.smoothing import SMOOTHERS, SmoothInBraind

# Part of every cache key: raise it when the same settings give other voxels than before.
VERSION = 1

_ARRAYS = ("image", "classes", "brain_mask", "brain")


# Settings that earlier versions did not have. Where they change nothing they go unsaid, so that what was
# prepared or exported before is still known by its key and its settings.
_LATER_KEYS = ("clahe", "clahe_clip", "denoise_strength")

# Settings a user finds in the section on data; the others are in the section on preprocessing.
_DATA_KEYS = ("modalities", "label_geometry")


@dataclass(frozen=True, eq=False)
class PreparedCase:
    """What a network sees of a case, and the way back.

    Attributes:
        case_id: Name of the case.
        image: Float32 ``(C, *S)``, zero outside the brain.
        classes: Class indices of the case's convention, uint8 ``(*S)``, or None.
        brain: Bool ``(*S)``.
        restoration: Leads from this grid to that of the files.
    """

    case_id: str
    image: NDArray[np.float32]
    classes: NDArray[np.uint8] | None
    brain: NDArray[np.bool_]
    restoration: Restoration


@dataclass(frozen=True)
class Preprocessing:
    """Settings of preprocessing; :meth:`prepare` applies them to a case.

    In order: load and check; turn to a common orientation; find the brain and crop to it; correct
    the bias field; equalise the contrast; denoise; resample; normalise inside the brain.

    Attributes:
        modalities: Channels, in this order (any subset of t1, t1ce, t2, flair).
        orientation: Axis codes of the prepared volumes: where each axis points to.
        spacing_mm: Voxel size of the prepared volumes (one number, or one per axis), or None to
            keep the files'.
        crop_to_brain: Whether to cut away what lies around the brain.
        margin_voxels: Voxels kept around the brain.
        normalise: ``zscore``, ``robust`` or ``minmax`` inside the brain per channel, or ``none``, see
            :class:`~brats3d.transforms.normalisation.NormaliseInBraind`.
        clip: Largest absolute value after z-scoring, or None.
        bias_field: Whether to correct the bias field (N4, needs the extra ``itk``).
        bias_field_shrink: Factor the image is coarsened by to estimate the bias field.
        clahe: Whether to equalise the contrast of axial slices adaptively, see
            :class:`~brats3d.transforms.clahe.EqualiseAdaptivelyd`.
        clahe_clip: Its limit, 1 or more.
        denoise: ``gaussian``, ``median``, ``non_local_means`` (extra ``classical``),
            ``curvature_flow``, ``anisotropic_diffusion`` (extra ``itk``), or None.
        denoise_strength: Sigma in mm of ``gaussian``, reach of ``median`` in voxels, or filter
            parameter of ``non_local_means`` in standard deviations of the noise; None: the usual one
            (:data:`~brats3d.transforms.smoothing.SMOOTHERS`).
        label_geometry: ``strict``, or ``trust_array`` to ignore the headers of label maps and
            brain masks whose arrays line up with the images.
    """

    modalities: tuple[str, ...] = MODALITIES
    orientation: str = "RAS"
    spacing_mm: float | tuple[float, float, float] | None = None
    crop_to_brain: bool = True
    margin_voxels: int = 0
    normalise: str = "zscore"
    clip: float | None = None
    bias_field: bool = False
    bias_field_shrink: int = 4
    denoise: str | None = None
    label_geometry: str = "strict"
    clahe: bool = False
    clahe_clip: float = CLIP_LIMIT
    denoise_strength: float | None = None

    def __post_init__(self) -> None:
        """Bring the settings to one form and check them.

        Raises:
            ConfigError: A setting that cannot work.
        """
        object.__setattr__(self, "modalities", tuple(modality_named(name) for name in self.modalities))
        if isinstance(self.spacing_mm, Sequence):
            object.__setattr__(self, "spacing_mm", tuple(float(size) for size in self.spacing_mm))
        self._check_choice("normalise", self.normalise, NORMALISATIONS)
        self._check_choice("label_geometry", self.label_geometry, LABEL_GEOMETRIES)
        if self.denoise is not None:
            self._check_choice("denoise", self.denoise, (*SMOOTHERS, *DENOISERS))
        self._check_values()

    @staticmethod
    def _check_choice(key: str, value: str, choices: tuple[str, ...]) -> None:
        if value not in choices:
            ordered = closest_first(str(value), choices)
            raise ConfigError(
                f"unknown choice {value!r}",
                where=_config_key(key),
                got=value,
                expected="one of " + ", ".join(ordered),
                remedy=f"did you mean {ordered[0]!r}?",
            )

    def _check_values(self) -> None:
        letters = [set(pair) for pair in ("LR", "PA", "IS")]
        oriented = len(self.orientation) == 3 and all(letter & set(self.orientation) for letter in letters)
        sizes = self._spacing_per_axis() or (1.0,)
        wrong = {
            "modalities": (
                not self.modalities or len(set(self.modalities)) < len(self.modalities),
                "at least one modality, none twice",
            ),
            "orientation": (not oriented, "one of L R, one of P A and one of I S, such as RAS"),
            "spacing_mm": (len(sizes) not in (1, 3) or min(sizes) <= 0, "one or three positive sizes in mm"),
            "margin_voxels": (self.margin_voxels < 0, "0 or more"),
            "clip": (self.clip is not None and self.clip <= 0, "a positive number, or null"),
            "bias_field_shrink": (self.bias_field_shrink < 1, "1 or more"),
            "clahe_clip": (not 1 <= self.clahe_clip < float("inf"), "1 or more"),
            "denoise_strength": self._check_of_strength(),
        }
        for key, (is_wrong, expected) in wrong.items():
            if is_wrong:
                raise ConfigError(
                    "a preprocessing setting that cannot work",
                    where=_config_key(key),
                    got=getattr(self, key),
                    expected=expected,
                )

    def _check_of_strength(self) -> tuple[bool, str]:
        """Whether the strength is wrong, and what it should be."""
        strength = self.denoise_strength
        if strength is None:
            return False, ""
        if self.denoise not in SMOOTHERS:
            return True, f"null, or one of {', '.join(SMOOTHERS)} in preprocess.denoise"
        if self.denoise == "median":
            return strength < 1 or strength != int(strength), "a whole number of voxels, 1 or more"
        return not 0 < strength < float("inf"), "a positive number"

    def _spacing_per_axis(self) -> tuple[float, ...] | None:
        if self.spacing_mm is None or isinstance(self.spacing_mm, tuple):
            return self.spacing_mm
        return (float(self.spacing_mm),) * 3

    def settings(self) -> dict[str, Any]:
        """Return all settings but those that earlier versions did not have and that change nothing here."""
        usual = {field.name: field.default for field in dataclasses.fields(self)}
        return {
            key: value
            for key, value in dataclasses.asdict(self).items()
            if key not in _LATER_KEYS or value != usual[key]
        }

    def key(self) -> str:
        """Name of these settings that is fit for a file name; equal settings have equal keys.

        The classes of a prepared case depend on its label convention too, which is not a setting.
        """
        known: dict[str, Any] = {**self.settings(), "spacing_mm": self._spacing_per_axis()}
        if self.bias_field:
            known["fitting_levels"] = FITTING_LEVELS
        settings = json.dumps(known, sort_keys=True)
        return f"v{VERSION}-{hashlib.sha256(settings.encode()).hexdigest()[:16]}"

    def prepare(self, case: Case, *, with_label: bool) -> PreparedCase:
        """Read, check and prepare one case.

        Args:
            case: Case with all of :attr:`modalities`.
            with_label: Whether its label map is needed.

        Raises:
            DataError: A file is missing, torn or inconsistent with the others.
            LabelError: A label value outside the case's convention.
            MissingExtraError: A setting needs an optional package that is not installed.
        """
        try:
            sample = self._chain(with_label)(case)
        except RuntimeError as error:
            # MONAI's Compose wraps whatever a transform raises.
            if isinstance(error.__cause__, Brats3dError):
                raise error.__cause__ from None
            raise
        prepared_shape = sample["image"].shape[1:]
        restoration = plan_restoration(
            sample["geometry"], self.orientation, sample["box_start"], sample["box_stop"], prepared_shape
        )
        classes = sample.get("classes")
        return PreparedCase(
            case_id=case.case_id,
            image=sample["image"],
            classes=None if classes is None else np.ascontiguousarray(classes[0]),
            brain=np.ascontiguousarray(sample["brain"][0]),
            restoration=restoration,
        )

    def _chain(self, with_label: bool) -> Compose:
        steps: list[Transform] = [
            LoadCase(self.modalities, with_label=with_label, label_geometry=self.label_geometry),
            Orientationd(
                ("image", "classes", "brain_mask"),
                axcodes=self.orientation,
                labels=(("L", "R"), ("P", "A"), ("I", "S")),
                allow_missing_keys=True,
            ),
            FindBraind(),
            CropForegroundd(
                ("image", "classes", "brain"),
                source_key="brain",
                select_fn=_inside if self.crop_to_brain else _everywhere,
                margin=self.margin_voxels,
                allow_smaller=True,
                start_coord_key="box_start",
                end_coord_key="box_stop",
                allow_missing_keys=True,
            ),
            TakeArraysd(self.orientation),
            FindFieldsOfViewd(),
        ]
        if self.bias_field:
            steps.append(CorrectBiasFieldd(shrink=self.bias_field_shrink))
        if self.clahe:
            steps.append(EqualiseAdaptivelyd(self._axial(), self.clahe_clip))
        if self.denoise is not None and self.denoise in SMOOTHERS:
            steps.append(SmoothInBraind(self.denoise, self.denoise_strength))
        elif self.denoise is not None:
            steps.append(Denoised(self.denoise))
        spacing = self._spacing_per_axis()
        if spacing is not None:
            steps.append(ResampleToSpacingd((spacing[0], spacing[1], spacing[2])))
        steps.append(NormaliseInBraind(self.normalise, self.clip))
        return Compose(steps)

    def _axial(self) -> int:
        """Axis of the prepared volume that axial slices are counted along."""
        return next(axis for axis, letter in enumerate(self.orientation) if letter in "IS")


def _config_key(setting: str) -> str:
    return f"{'data' if setting in _DATA_KEYS else 'preprocess'}.{setting}"


def _inside(mask: Any) -> Any:
    return mask > 0


def _everywhere(mask: Any) -> Any:
    return mask == mask


class TakeArraysd(MapTransform):
    """Turn tensors into numpy arrays and add ``spacing_mm`` of the oriented axes.

    What follows is numpy, scipy and ITK; the geometry is kept in the box and orientation.

    Args:
        orientation: Axis codes the volumes have been turned to.
    """

    def __init__(self, orientation: str) -> None:
        super().__init__(keys=_ARRAYS, allow_missing_keys=True)
        self.orientation = orientation

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Convert one sample."""
        sample = dict(data)
        for key in self.key_iterator(sample):
            sample[key] = np.ascontiguousarray(np.asarray(sample[key]))
        sample["brain"] = sample["brain"] > 0
        for key in ("box_start", "box_stop"):
            x, y, z = (int(index) for index in sample[key])
            sample[key] = (x, y, z)
        axes, _ = orientation_change(sample["geometry"], self.orientation)
        spacing = sample["geometry"].spacing_mm
        sample["spacing_mm"] = tuple(spacing[axis] for axis in axes)
        return sample
