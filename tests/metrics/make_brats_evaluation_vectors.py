"""Write ``brats_evaluation_vectors.json``: what the package brats-evaluation says about the lesion cases.

The package needs a NumPy below 2.3, so it has an environment of its own:

    python3.11 -m venv reference && reference/bin/pip install brats-evaluation==0.0.10 "numpy<2.3"
    reference/bin/python tests/metrics/make_brats_evaluation_vectors.py
"""

from __future__ import annotations

import json
import math
import tempfile
from pathlib import Path

import brats_evaluation
import nibabel as nib
import numpy as np
import pandas as pd
from brats_evaluation.evaluation import evaluate_single_exam
from brats_evaluation.metrics_parser import parse_mets_results, parse_seg_results
from lesion_cases import lesion_cases
from panoptica import Panoptica_Evaluator

HERE = Path(__file__).parent
KEPT = ("all_instance_tp", "all_instance_fp", "all_instance_fn", "large_instance", "global", "lesionwise")
REGIONS = ("et", "tc", "wt")
CONFIGS = {"brats2025": "config_gli.yaml", "brats2025-met": "config_mets.yaml"}


def main() -> None:
    """Run both configurations on every case and keep the columns that the tests compare."""
    vectors: dict[str, dict[str, dict[str, float | str]]] = {}
    for profile, config in CONFIGS.items():
        path = Path(brats_evaluation.__file__).parent / "configs" / config
        evaluator = Panoptica_Evaluator.load_from_config(str(path))
        with tempfile.TemporaryDirectory() as folder:
            results = []
            for name, prediction, reference in lesion_cases():
                files = []
                for role, labels in (("prediction", prediction), ("reference", reference)):
                    files.append(f"{folder}/{name}-{role}.nii.gz")
                    nib.save(nib.Nifti1Image(labels, np.eye(4)), files[-1])
                results.append(evaluate_single_exam(files[0], files[1], name, evaluator))
            summary, table = Path(folder, "summary.json"), Path(folder, "table.csv")
            summary.write_text(json.dumps({"metrics": results, "missings": []}), encoding="utf-8")
            if profile == "brats2025-met":
                parse_mets_results(str(summary), 27.0, 0.2, str(table))
            else:
                parse_seg_results(str(summary), str(table))
            frame = pd.read_csv(table).set_index("subject_id").drop(["mean", "std", "median"])
        vectors[profile] = {
            name: {column: _plain(value) for column, value in row.items() if _kept(column)}
            for name, row in frame.iterrows()
        }
    text = json.dumps(vectors, indent=1) + "\n"
    (HERE / "brats_evaluation_vectors.json").write_text(text, encoding="utf-8")


def _kept(column: str) -> bool:
    return column.startswith(KEPT) and column.endswith(REGIONS) and "_std_" not in column


def _plain(value: float) -> float | str:
    """NaN and infinity as words: JSON has none."""
    return float(value) if math.isfinite(value) else str(float(value))


if __name__ == "__main__":
    main()
