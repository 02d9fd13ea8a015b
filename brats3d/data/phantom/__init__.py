"""Phantoms: made-up examinations with known truth, and data sets of them in any naming."""

from brats3d.data.phantom.generation import Phantom, make_phantom
from brats3d.data.phantom.lookalikes import LOOKALIKES
from brats3d.data.phantom.namings import NAMINGS
from brats3d.data.phantom.parameters import PhantomParameters
from brats3d.data.phantom.writer import write_phantoms

__all__ = ["LOOKALIKES", "NAMINGS", "Phantom", "PhantomParameters", "make_phantom", "write_phantoms"]
