# Written by brats3d when this bundle was exported; part of brats3d, Apache License 2.0.
"""How a case name tells the patient and the visit."""

from __future__ import annotations

import re

# 2023 on: BraTS-GLI-00005-100; until 2019: Brats18_TCIA01_150_1. The last number is the visit.
_VISIT_NAMES = (
    re.compile(r"(?P<patient>.+-\d{4,})-(?P<visit>\d{3})"),
    re.compile(r"(?P<patient>brats1[789]_.+)_(?P<visit>\d+)", re.IGNORECASE),
)


def patient_and_visit(case_id: str) -> tuple[str, str]:
    """Take a case name apart; a name without a visit is the patient's."""
    for names in _VISIT_NAMES:
        if match := names.fullmatch(case_id):
            return match["patient"], match["visit"]
    return case_id, ""
