"""What the JSON of requests and answers looks like, for those who write programs against the server."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ErrorParts(_Strict):
    """What went wrong, in the words for the person who can mend it."""

    what: str = Field(description="One sentence that names the problem.")
    where: str | None = Field(description="File, region or header that the problem sits in.")
    got: str | None = Field(description="What was found.")
    expected: str | None = Field(description="What would have been right.")
    remedy: str | None = Field(description="What can be done about it.")


class ErrorAnswer(_Strict):
    """The answer to whatever cannot be done."""

    error: ErrorParts


class Health(_Strict):
    """The server is there."""

    status: Literal["ok"]


class RegionInfo(_Strict):
    """A region that a model finds."""

    name: str
    colour: str = Field(description="#RRGGBB, the same in every picture.")
    threshold: float | None = Field(
        description="Probability above which a voxel belongs to it, unless asked otherwise; null where it "
        "cannot be moved."
    )


class ClassInfo(_Strict):
    """A class of voxels."""

    name: str
    value: int = Field(description="Its number in `overlay.nii.gz`.")
    colour: str = Field(description="#RRGGBB.")
    label: int | None = Field(description="Its value in `labels.nii.gz`.")


class ModelInfo(_Strict):
    """A model that can be asked."""

    id: str
    title: str
    kind: Literal["run", "bundle", "classical"]
    gated: bool = Field(description="Whether a classifier first decides if there is anything to segment.")
    dimensions: Literal[2, 3]
    modalities: list[str] = Field(description="Modalities that it needs: t1, t1ce, t2, flair, or xray.")
    regions: list[RegionInfo]
    classes: list[ClassInfo]


class NewUpload(_Strict):
    """An empty upload."""

    id: str


class SeenFile(_Strict):
    """A file of an upload, a series of DICOM files, or a picture."""

    name: str
    kind: Literal["nifti", "dicom series", "picture"]
    shape: list[int] = Field(description="Voxels along each axis.")
    spacing_mm: list[float] | None = Field(description="Size of a voxel; null where the file does not say.")
    channels: int = Field(description="Number of images in the file.")
    guess: str | None = Field(description="Modality by its name, or `reference`, or `brain mask`, or null.")


class Chosen(_Strict):
    """Where the image of a modality is."""

    file: str
    channel: int | None = Field(default=None, description="Which image of a file with several, from 0.")


class Contents(_Strict):
    """What an upload holds, and what was made of it."""

    files: list[SeenFile]
    assignment: dict[str, Chosen] = Field(description="Modality to file; a guess until it is posted.")
    reference: str | None = Field(description="File with the reference label map.")
    brain_mask: str | None = Field(description="File with a brain mask.")
    problems: list[str] = Field(description="What one should know, a sentence each.")
    dimensions: Literal[2, 3]


class Assignment(_Strict):
    """Which file is what."""

    modalities: dict[str, Chosen]
    reference: str | None = None
    brain_mask: str | None = None


class SegmentRequest(_Strict):
    """What to segment, and with which model."""

    upload: str = Field(description="Id of an upload.")
    model: str = Field(description="Id of a model.")


class NewJob(_Strict):
    """A segmentation that waits for its turn."""

    id: str


class Progress(_Strict):
    """How far a segmentation is."""

    state: Literal["queued", "running", "done", "failed", "cancelled"]
    position: int | None = Field(description="How many are before it, while it is queued.")
    stage: str | None = Field(description="What is being done.")
    fraction: float | None = Field(description="How much is done, 0 to 1.")
    seconds_left: float | None = Field(description="Seconds until it will be done, estimated.")
    error: ErrorParts | None


class RegionNumbers(RegionInfo):
    """How much of a region was found."""

    voxels: int
    volume_ml: float | None = Field(description="Null for pictures, which do not say how large a pixel is.")


class ClassNumbers(ClassInfo):
    """How much of a class was found."""

    voxels: int
    volume_ml: float | None = Field(description="Null for pictures.")


class Score(_Strict):
    """How well a region agrees with the reference."""

    region: str
    dice: float | None
    hd95_mm: float | None = Field(description="Of pictures in pixels.")


class Numbers(_Strict):
    """What was found."""

    regions: list[RegionNumbers]
    classes: list[ClassNumbers]
    unit: Literal["mm", "px"]
    tumour: bool = Field(description="Whether there is any.")
    alert: str | None = Field(description="What must be said where there is none.")
    scores: list[Score] | None = Field(description="Null without a reference.")
    reference_problem: str | None = Field(description="Why the reference was not used.")
    seconds: float = Field(description="How long the segmentation took.")
    gate: dict[str, Any] | None = Field(description="What the gate decided, where the model has one.")
    postprocessing: str | None = Field(description="What happens besides thresholds.")
