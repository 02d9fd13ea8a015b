"""``brats3d benchmark metrics`` on tiny volumes: what is compared, not how fast it is."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from brats3d.__main__ import main
from brats3d.benchmarks.metrics import benchmark_metrics
from brats3d.benchmarks.processes import contender_process
from brats3d.benchmarks.scoring import worker
from brats3d.benchmarks.scoring.pairs import CONVENTION, Pair, from_files, large_tumour, many_lesions
from brats3d.benchmarks.scoring.worker import CONTENDERS
from brats3d.config import BenchmarkConfig
from brats3d.errors import ConfigError, DataError, LabelError, MissingExtraError
from brats3d.imaging import Geometry, write_label_map
from brats3d.metrics import PROFILES, evaluate_case

TINY = (40, 48, 36)


def expected_scores(pair: Pair) -> dict[str, dict[str, float]]:
    masks = (CONVENTION.to_regions(labels) for labels in (pair.prediction, pair.reference))
    scores = evaluate_case(
        *masks, spacing_mm=pair.spacing_mm, regions=CONVENTION.region_names, case_id="pair"
    )
    return {row.region: dict(row.scores) for row in scores.rows}


class TestPairs:
    @pytest.mark.parametrize("make", [large_tumour, many_lesions])
    def test_repeatable_and_of_three_regions(self, make: type[Pair]) -> None:
        first, second = make(TINY), make(TINY)  # type: ignore[call-arg, arg-type]
        assert np.array_equal(first.prediction, second.prediction)
        assert np.array_equal(first.reference, second.reference)
        assert first.prediction.shape == first.reference.shape == TINY
        assert all(0 < scores["dice"] < 1 for scores in expected_scores(first).values())

    def test_the_large_tumour(self) -> None:
        pair = large_tumour((240, 240, 155))
        assert np.count_nonzero(pair.reference) == pytest.approx(138_000, rel=0.01)
        found, _ = ndimage.label(pair.prediction > 0)
        invented = set(np.flatnonzero(np.bincount(found.ravel()) > 50)) - set(found[pair.reference > 0])
        assert len(invented) == 4
        assert all(scores["dice"] > 0.8 for scores in expected_scores(pair).values())

    def test_many_lesions(self) -> None:
        pair = many_lesions((240, 240, 155))
        _, number = ndimage.label(pair.reference > 0)
        assert number == 30
        whole = expected_scores(pair)["WT"]
        assert (whole["lesion_fn"], whole["lesion_fp"]) == (5, 5)

    def test_files_of_any_convention_and_spacing(self, tmp_path: Path) -> None:
        geometry = Geometry(TINY, np.diag([1.0, 1.0, 2.5, 1.0]))
        pair = large_tumour(TINY)
        written = pair.reference.copy()
        written[written == 3] = 4  # enhancing tumour as in 2017
        for name, labels in (("p", np.roll(written, 1, axis=0)), ("r", written)):
            write_label_map(tmp_path / f"{name}.nii.gz", labels, geometry, overwrite=False)
        files = str(tmp_path / "p.nii.gz"), str(tmp_path / "r.nii.gz")
        read = from_files(*files, "brats2017")
        assert np.array_equal(read.reference, pair.reference)
        assert np.array_equal(read.prediction, np.roll(pair.reference, 1, axis=0))
        assert read.spacing_mm == (1.0, 1.0, 2.5)
        with pytest.raises(LabelError, match="outside the convention 'brats2023'"):
            from_files(*files, "brats2023")
        write_label_map(tmp_path / "q.nii.gz", written, Geometry(TINY, np.eye(4)), overwrite=False)
        with pytest.raises(DataError, match="not on one grid"):
            from_files(str(tmp_path / "q.nii.gz"), files[1], "brats2017")


class TestMeasuring:
    def test_a_run(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        chosen = ["brats3d", "brats3d-surfaces", "brats3d-brats2025"]
        output = tmp_path / "report.json"
        words = ["--size", "40,48,36", "--repeats", "2", "--contenders", *chosen, "--output", str(output)]
        assert main(["benchmark", "metrics", *words]) == 0
        shown = capsys.readouterr().out
        content = json.loads(output.read_text(encoding="utf-8"))
        for section, make in zip(content["sections"], (large_tumour, many_lesions), strict=True):
            found = {own["contender"]: own for own in section["measurements"]}
            assert list(found) == chosen
            assert all(name in shown for name in chosen)
            assert all(len(own["wall_ms"]) == len(own["cpu_ms"]) == 2 for own in found.values())
            assert all(min(own["wall_ms"]) > 0 for own in found.values())
            expected = expected_scores(make(TINY))
            for region, scores in found["brats3d"]["scores"].items():
                assert scores == pytest.approx(expected[region])
            assert set(found["brats3d-brats2025"]["scores"]) == {"ET", "TC", "WT", "SNFH", "NETC", "RC"}
            for region, scores in found["brats3d-surfaces"]["scores"].items():
                assert scores == pytest.approx({name: expected[region][name] for name in scores})
        assert "brats3d" in shown
        assert "the same within 1e-06" in shown

    def test_every_contender_that_is_installed_agrees(self) -> None:
        report = benchmark_metrics(BenchmarkConfig("metrics", repeats=1, size=TINY))
        absent = {note.split()[2] for note in report.notes}
        assert {"brats-evaluation", "brats-evaluation-ranked"} <= absent
        for section in report.sections:
            assert {own.contender for own in section.measurements} == set(CONTENDERS) - absent
            scores = {own.contender: own.scores for own in section.measurements}
            for name, own in scores.items():
                for region in ("ET", "TC", "WT"):
                    if "dice" in own[region]:
                        assert own[region]["dice"] == pytest.approx(
                            scores["brats3d"][region]["dice"], abs=1e-6
                        )
                    if name == "surface-distance":
                        expected = {key: scores["brats3d"][region][key] for key in own[region]}
                        assert own[region] == pytest.approx(expected, abs=1e-6)

    def test_by_the_rules_of_brats_2025(self, tmp_path: Path) -> None:
        pair = many_lesions(TINY)
        pair.save(tmp_path / "pair.npz")
        with contender_process("brats3d-brats2025", None, tmp_path / "pair.npz", worker.__file__) as process:
            found = process.found["scores"]
        masks = [labels == 2 for labels in (pair.prediction, pair.reference)]
        expected = evaluate_case(
            masks[0][None],
            masks[1][None],
            spacing_mm=pair.spacing_mm,
            regions=["SNFH"],
            case_id="pair",
            profile=PROFILES["brats2025"],
        )
        assert found["SNFH"] == pytest.approx(dict(expected.rows[0].scores), nan_ok=True)

    def test_a_contender_that_fails_says_why(self, tmp_path: Path) -> None:
        with (
            pytest.raises(RuntimeError, match=r"(?s)brats3d failed:.*no_pair\.npz"),
            contender_process("brats3d", None, tmp_path / "no_pair.npz", worker.__file__),
        ):
            pass


class TestUserErrors:
    def test_an_unknown_contender(self) -> None:
        with pytest.raises(ConfigError, match="did you mean 'monai'"):
            benchmark_metrics(BenchmarkConfig("metrics", contenders=("Monai",)))

    @pytest.mark.parametrize(
        "config",
        [
            BenchmarkConfig("metrics", brats_evaluation_python="no/such/python"),
            BenchmarkConfig("metrics", contenders=("brats-evaluation",)),
        ],
    )
    def test_no_python_for_the_challenge_package(self, config: BenchmarkConfig) -> None:
        with pytest.raises(ConfigError, match="pip install brats-evaluation") as caught:
            benchmark_metrics(config)
        assert caught.value.where == "brats_evaluation_python"

    def test_a_python_without_the_challenge_package(self) -> None:
        config = BenchmarkConfig("metrics", size=TINY, brats_evaluation_python=sys.executable)
        with pytest.raises(MissingExtraError, match="pip install brats-evaluation"):
            benchmark_metrics(config)

    def test_a_pair_is_two_files(self) -> None:
        with pytest.raises(ConfigError, match="PREDICTION,REFERENCE"):
            benchmark_metrics(BenchmarkConfig("metrics", data=("one.nii.gz",)))
