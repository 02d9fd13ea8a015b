# Written by brats3d when this bundle was exported; part of brats3d, Apache License 2.0.
"""The losses that can be terms of a sum."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from torch import nn

from scripts.core.losses.boundary import Boundary
from scripts.core.losses.cross_entropy import CrossEntropy
from scripts.core.losses.dice import Dice
from scripts.core.losses.dice_ce import build_dice_ce
from scripts.core.losses.dice_focal import build_dice_focal
from scripts.core.losses.focal import Focal
from scripts.core.losses.focal_tversky import FocalTversky
from scripts.core.losses.generalized_dice import GeneralizedDice
from scripts.core.losses.matthews import Matthews
from scripts.core.losses.tversky import Tversky
from scripts.core.losses.unified_focal import AsymmetricUnifiedFocal, SymmetricUnifiedFocal

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
