"""The losses that can be terms of a sum."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from torch import nn

from brats3d.losses.boundary import Boundary
from brats3d.losses.cross_entropy import CrossEntropy
from brats3d.losses.dice import Dice
from brats3d.losses.dice_ce import build_dice_ce
from brats3d.losses.dice_focal import build_dice_focal
from brats3d.losses.focal import Focal
from brats3d.losses.focal_tversky import FocalTversky
from brats3d.losses.generalized_dice import GeneralizedDice
from brats3d.losses.matthews import Matthews
from brats3d.losses.tversky import Tversky
from brats3d.losses.unified_focal import AsymmetricUnifiedFocal, SymmetricUnifiedFocal

TERMS: Mapping[str, Callable[..., nn.Module]] = MappingProxyType(
    {
        "dice": Dice,
        "cross_entropy": CrossEntropy,
        "dice_ce": build_dice_ce,
        "focal": Focal,
        "dice_focal": build_dice_focal,
        "tversky": Tversky,
        "focal_tversky": FocalTversky,
        "generalized_dice": GeneralizedDice,
        "unified_focal": AsymmetricUnifiedFocal,
        "symmetric_unified_focal": SymmetricUnifiedFocal,
        "matthews": Matthews,
        "boundary": Boundary,
    }
)
