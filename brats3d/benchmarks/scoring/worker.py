"""A process that scores one pair of label maps, with one contender, whenever it is told to.

Run by path, as ``python worker.py CONTENDER PAIR.npz``, also by a Python that lacks what brats3d needs:
so only NumPy and :mod:`brats3d.benchmarks.serving`, which says how it answers, are imported here.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from brats3d.benchmarks.serving import Contender, Ready, Scores, serve

Labels = NDArray[np.uint8]
Masks = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class StoredPair:
    """A pair of label maps as it is handed over.

    Attributes:
        prediction: Uint8 ``(*S)``.
        reference: Uint8 ``(*S)``.
        spacing_mm: Voxel size along each axis.
        regions: Names: first those that are ranked, then the single tissues.
        ranked: How many are ranked.
        members: Which label values make up each region, bool ``(R, 256)``.
    """

    prediction: Labels
    reference: Labels
    spacing_mm: tuple[float, ...]
    regions: tuple[str, ...]
    ranked: int
    members: Masks

    @property
    def ranked_regions(self) -> tuple[str, ...]:
        """Names of the regions that are ranked."""
        return self.regions[: self.ranked]

    def masks(self, regions: int) -> tuple[Masks, Masks]:
        """Masks of the first regions, each bool ``(regions, *S)``: prediction and reference."""
        tables = self.members[:regions]
        return (
            np.stack([table[self.prediction] for table in tables]),
            np.stack([table[self.reference] for table in tables]),
        )

    def ranked_in_both(self) -> dict[str, tuple[Masks, Masks]]:
        """Ranked regions that are empty in neither."""
        pairs = zip(self.ranked_regions, *self.masks(self.ranked), strict=True)
        return {region: (own_p, own_r) for region, own_p, own_r in pairs if own_p.any() and own_r.any()}


def _brats3d(pair: StoredPair) -> Ready:
    from brats3d.metrics import evaluate_case

    prediction, reference = pair.masks(pair.ranked)

    def work() -> Any:
        return evaluate_case(
            prediction, reference, spacing_mm=pair.spacing_mm, regions=pair.ranked_regions, case_id="pair"
        )

    return work, _read_brats3d


def _brats3d_2025(pair: StoredPair) -> Ready:
    from brats3d.metrics import PROFILES, evaluate_case
    from brats3d.metrics.boxes import bounding_box

    def work() -> Any:
        box = bounding_box(pair.prediction, pair.reference)
        cropped = replace(pair, prediction=pair.prediction[box], reference=pair.reference[box])
        return evaluate_case(
            *cropped.masks(len(pair.regions)),
            spacing_mm=pair.spacing_mm,
            regions=pair.regions,
            case_id="pair",
            profile=PROFILES["brats2025"],
            background_outside=pair.reference.size - cropped.reference.size,
        )

    return work, _read_brats3d


def _read_brats3d(scores: Any) -> Scores:
    return {row.region: dict(row.scores) for row in scores.rows}


def _brats3d_surfaces(pair: StoredPair) -> Ready:
    from brats3d.metrics import surface_distances

    regions = pair.ranked_in_both()

    def work() -> Scores:
        scores = {}
        for region, masks in regions.items():
            found = surface_distances(*masks, spacing_mm=pair.spacing_mm)
            scores[region] = {
                "hd95_mm": found.hausdorff_mm(95),
                "asd_mm": found.average_mm(),
                "nsd_1mm": found.nsd(1.0),
            }
        return scores

    return work, dict


def _monai(pair: StoredPair) -> Ready:
    import torch
    from monai.metrics import DiceMetric, HausdorffDistanceMetric, SurfaceDiceMetric

    torch.set_num_threads(1)
    y_pred, y = (torch.from_numpy(masks[None].astype(np.float32)) for masks in pair.masks(pair.ranked))
    dice = DiceMetric(include_background=True)
    hausdorff = HausdorffDistanceMetric(include_background=True, percentile=95)
    surface_dice = SurfaceDiceMetric(class_thresholds=[1.0] * pair.ranked, include_background=True)

    def work() -> tuple[Any, ...]:
        return (
            dice(y_pred=y_pred, y=y),
            hausdorff(y_pred=y_pred, y=y, spacing=pair.spacing_mm),
            surface_dice(y_pred=y_pred, y=y, spacing=pair.spacing_mm),
        )

    def read(found: tuple[Any, ...]) -> Scores:
        names = ("dice", "hd95_mm", "nsd_1mm")
        rows = zip(*(tensor[0].tolist() for tensor in found), strict=True)
        return {
            region: dict(zip(names, row, strict=True))
            for region, row in zip(pair.ranked_regions, rows, strict=True)
        }

    return work, read


def _surface_distance(pair: StoredPair) -> Ready:
    import surface_distance as package

    regions = pair.ranked_in_both()

    def work() -> Scores:
        scores = {}
        for region, (own_p, own_r) in regions.items():
            found = package.compute_surface_distances(own_r, own_p, pair.spacing_mm)
            scores[region] = {
                "dice": float(package.compute_dice_coefficient(own_r, own_p)),
                "hd95_mm": float(package.compute_robust_hausdorff(found, 95)),
                "nsd_1mm": float(package.compute_surface_dice_at_tolerance(found, 1.0)),
            }
        return scores

    return work, dict


def _brats_evaluation(pair: StoredPair) -> Ready:
    return _panoptica(pair, skipped=[])


def _brats_evaluation_ranked(pair: StoredPair) -> Ready:
    return _panoptica(pair, skipped=[region.lower() for region in pair.regions[pair.ranked :]])


def _panoptica(pair: StoredPair, skipped: list[str]) -> Ready:
    import brats_evaluation
    from panoptica import Panoptica_Evaluator

    config = Path(brats_evaluation.__file__).parent / "configs" / "config_gli.yaml"
    evaluator = Panoptica_Evaluator.load_from_config(str(config))

    def work() -> dict[str, dict[str, Any]]:
        found = evaluator.evaluate(
            pair.prediction, pair.reference, voxelspacing=pair.spacing_mm, skip_groups=skipped
        )
        return {group: result.to_dict(True) for group, result in found.items()}

    def read(found: dict[str, dict[str, Any]]) -> Scores:
        columns = {
            "dice": "global_bin_dsc",
            "hd95_mm": "global_bin_hd95",
            "nsd_1mm": "global_bin_nsd",
            "lesion_dice": "sq_dsc",
            "lesion_hd95_mm": "sq_hd95",
        }
        return {
            group.upper(): {name: float(values[key]) for name, key in columns.items() if key in values}
            for group, values in found.items()
        }

    return work, read


_OURS = ("brats3d", "numpy", "scipy")
_CHALLENGE = ("brats-evaluation", "panoptica", "numpy", "scipy", "connected-components-3d")

CONTENDERS: Mapping[str, Contender] = MappingProxyType(
    {
        "brats3d": Contender(
            "evaluate_case, every metric of the profile brats2023-gli: overlap, volumes, HD95, HD100, ASD, "
            "NSD, lesion-wise Dice, HD95, NSD, counts; ET, TC, WT from region masks",
            _OURS,
            _brats3d,
        ),
        "brats3d-surfaces": Contender(
            "surface_distances, definition area: HD95, ASD, NSD at 1 mm; ET, TC, WT from region masks",
            _OURS,
            _brats3d_surfaces,
        ),
        "brats3d-brats2025": Contender(
            "evaluate_case, every metric of the profile brats2025; the six regions of brats-evaluation from "
            "label maps, cropped as brats3d evaluate crops them",
            _OURS,
            _brats3d_2025,
        ),
        "monai": Contender(
            "DiceMetric, HausdorffDistanceMetric(percentile=95), SurfaceDiceMetric(1 mm), other options as "
            "shipped; ET, TC, WT from float32 tensors of region masks; nothing lesion-wise",
            ("monai", "torch", "numpy", "scipy"),
            _monai,
        ),
        "surface-distance": Contender(
            "compute_surface_distances, then HD95, NSD at 1 mm and Dice; ET, TC, WT from region masks; "
            "nothing lesion-wise",
            ("surface-distance", "numpy", "scipy"),
            _surface_distance,
        ),
        "brats-evaluation": Contender(
            "Panoptica_Evaluator.evaluate with the package's config_gli.yaml: Dice, NSD, HD95, whole and "
            "lesion-wise; its six regions from label maps (arrays: no file is read)",
            _CHALLENGE,
            _brats_evaluation,
        ),
        "brats-evaluation-ranked": Contender(
            "the same for ET, TC, WT alone",
            _CHALLENGE,
            _brats_evaluation_ranked,
        ),
    }
)


def main(name: str, pair: str) -> None:
    """Answer until there is nothing more to read."""
    serve(CONTENDERS[name], lambda: _load(pair))


def _load(path: str) -> StoredPair:
    with np.load(path) as stored:
        return StoredPair(
            stored["prediction"],
            stored["reference"],
            tuple(stored["spacing_mm"].tolist()),
            tuple(stored["regions"].tolist()),
            int(stored["ranked"]),
            stored["members"],
        )


if __name__ == "__main__":
    main(*sys.argv[1:])
