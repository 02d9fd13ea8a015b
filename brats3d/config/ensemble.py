"""Settings of fusing predictions, as a frozen dataclass."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class EnsembleConfig:
    """Fuse predictions, of any tools, into one label map per case."""

    predictions: tuple[str, ...] = ()
    """Folders of predictions, two or more."""
    output: str = "ensemble"
    """Folder for the label maps, one per case, named after it."""
    method: str = "majority"
    """majority: a vote on each region (a tie is out); staple: a vote that estimates how far each folder is to
    be trusted; mean: the mean of the probability maps that predict --probabilities writes."""
    weights: tuple[float, ...] = ()
    """How much each folder counts, such as 2,1,1; by default all the same. staple finds them itself."""
    prediction_pattern: str | None = None
    """Which files are predictions, such as '*_pred.nii.gz'."""
    prediction_convention: tuple[str, ...] = ("auto",)
    """Label convention of the predictions, one for all or one for each folder; auto: what a dataset.json in
    the folder says, else that of the other folders. With mean, it names the channels."""
    convention: str = "auto"
    """Label convention of the output; auto: that of the first folder."""
    labels: dict[int, str] | None = None
    """Your own convention for all folders: value to tissue."""
    regions: dict[str, tuple[str, ...]] | None = None
    """Regions to fuse, name to tissues; by default the convention's, and each tissue in none of them."""
    overwrite: bool = False
    """Replace label maps that exist."""
