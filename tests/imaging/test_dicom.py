"""DICOM series: geometry and values as ITK reads them, and errors that do not tell the patient's name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, JPEG2000Lossless, MRImageStorage, generate_uid

from brats3d.errors import DataError
from brats3d.imaging import files_of, read_geometry, read_volume

NAME = "SECRET^PATIENT"
OBLIQUE = np.array([[0.96, 0.28, 0.0], [-0.224, 0.768, 0.6]])
STEP_MM = 2.5
VOXELS = np.random.default_rng(0).integers(0, 4000, (5, 6, 7), dtype=np.uint16)  # slices, rows, columns

Series = Callable[..., Path]


def slice_of(index: int, **changes: object) -> Dataset:
    """Slice ``index`` of an oblique series whose pixels are 0.5 mm high and 0.75 mm wide."""
    content = Dataset()
    content.file_meta = FileMetaDataset()
    content.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    content.file_meta.MediaStorageSOPClassUID = MRImageStorage
    content.SOPClassUID = MRImageStorage
    content.SOPInstanceUID = content.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    content.PatientName, content.PatientID, content.Modality = NAME, "4711", "MR"
    content.SeriesInstanceUID = "1.2.3.4"
    content.InstanceNumber = index + 1
    content.Rows, content.Columns = VOXELS.shape[1:]
    content.PixelSpacing = [0.5, 0.75]
    content.SliceThickness = STEP_MM
    content.ImageOrientationPatient = OBLIQUE.ravel().tolist()
    position = np.array([-10.0, 20.0, 30.0]) + index * STEP_MM * np.cross(*OBLIQUE)
    content.ImagePositionPatient = [round(float(value), 6) for value in position]
    content.SamplesPerPixel, content.PhotometricInterpretation = 1, "MONOCHROME2"
    content.BitsAllocated = content.BitsStored = 16
    content.HighBit, content.PixelRepresentation = 15, 0
    content.RescaleSlope, content.RescaleIntercept = 2, -100
    content.PixelData = VOXELS[index].tobytes()
    for key, value in changes.items():
        if value is None:
            delattr(content, key)
        else:
            setattr(content, key, value)
    return content


@pytest.fixture
def series(tmp_path: Path) -> Series:
    """Writes slices in an order that is neither that of their names nor of their numbers."""

    def write(slices: list[Dataset] | None = None) -> Path:
        folder = tmp_path / "t1ce"
        folder.mkdir()
        chosen = [slice_of(index) for index in range(5)] if slices is None else slices
        for number, content in enumerate(chosen):
            content.save_as(folder / f"IM{(number * 3) % 7}", enforce_file_format=True)
        return folder

    return write


def test_it_is_what_itk_reads(series: Series) -> None:
    folder = series()
    (folder / ".hidden").touch()
    (folder / "DICOMDIR").touch()
    voxels, geometry = read_volume(folder)
    image = sitk.ReadImage(sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder)))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(image).T, voxels)
    np.testing.assert_array_equal(voxels, VOXELS.T * 2.0 - 100)
    for index in ((0, 0, 0), (6, 5, 4), (1, 4, 2)):
        itk_lps = np.array(image.TransformIndexToPhysicalPoint(index))
        ours = (geometry.affine @ [*index, 1])[:3]
        np.testing.assert_allclose(ours, itk_lps * [-1, -1, 1], atol=1e-5)
    np.testing.assert_allclose(geometry.spacing_mm, (0.75, 0.5, STEP_MM), atol=1e-6)
    assert geometry.unit == "mm"
    assert read_geometry(folder).difference(geometry) is None
    assert len(files_of(folder)) == 5


def test_a_single_slice_is_as_thick_as_it_says(series: Series) -> None:
    geometry = read_geometry(series([slice_of(2)]))
    assert geometry.shape == (7, 6, 1)
    assert geometry.spacing_mm[2] == pytest.approx(STEP_MM)


@pytest.mark.parametrize(
    ("slices", "message"),
    [
        ([slice_of(i) for i in (0, 1, 2, 4)], "slices are missing"),
        (
            [slice_of(i) for i in (0, 4)] + [slice_of(i, SeriesInstanceUID="1.2.9") for i in (1, 2)],
            "2 series",
        ),
        ([slice_of(0), slice_of(1), slice_of(1)], "at the same place"),
        ([slice_of(0), slice_of(1, ImageOrientationPatient=[1, 0, 0, 0, 0, -1])], "another orientation"),
        ([slice_of(0), slice_of(1, PixelSpacing=[0.5, 0.5])], "another number or size"),
        ([slice_of(0), slice_of(1, Rows=5)], "another number or size"),
        ([slice_of(0), slice_of(1), slice_of(2, ImagePositionPatient=[-14, 17, 34])], "shifted|missing"),
        ([slice_of(0), slice_of(1, ImagePositionPatient=None)], "no ImagePositionPatient"),
        ([slice_of(0, SliceThickness=None)], "how thick"),
        ([slice_of(0, NumberOfFrames=3)], "3 frames"),
        ([slice_of(0, SamplesPerPixel=3)], "colours"),
        ([slice_of(0, ImageOrientationPatient=[1, 0, 0, 1, 0, 0])], "not perpendicular"),
        ([slice_of(0), slice_of(1, PixelData=b"\0\0")], "cannot decode"),
    ],
)
def test_what_is_no_volume_is_named_without_the_patient(
    slices: list[Dataset], message: str, series: Series, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(DataError, match=message) as caught:
        read_volume(series(slices))
    told = str(caught.value) + caplog.text
    assert "SECRET" not in told
    assert "4711" not in told
    assert "1.2.3.4" not in told


def test_compressed_pixels_say_what_they_are(series: Series) -> None:
    content = slice_of(0)
    content.file_meta.TransferSyntaxUID = JPEG2000Lossless
    content.PixelData = pydicom.encaps.encapsulate([b"\xff\x4f\xff\x51" + b"\0" * 60])
    content["PixelData"].is_undefined_length = True
    with pytest.raises(DataError, match=r"cannot decode the pixels.*\n.*\n.*JPEG 2000"):
        read_volume(series([content]))


def test_another_file_in_the_folder(series: Series) -> None:
    folder = series()
    (folder / "report.txt").write_text(NAME)
    with pytest.raises(DataError, match="not a readable DICOM file") as caught:
        read_geometry(folder)
    assert caught.value.where == folder / "report.txt"
    assert "SECRET" not in str(caught.value)
