"""Naming written by the user: one path pattern per modality, label map and brain mask."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath

from brats3d.cases import ALL_MODALITIES, Case, modality_named
from brats3d.data.layouts.layout import Found, Layout, some_of
from brats3d.data.layouts.tree import Tree
from brats3d.data.layouts.visits import patient_and_visit
from brats3d.errors import ConfigError, LayoutError
from brats3d.labels import CONVENTIONS, LabelConvention

PATTERN = "pattern"
KEY = "data.pattern"
_LABEL, _MASK = "label", "mask"
_OTHER_ROLES = {"label": _LABEL, "seg": _LABEL, "mask": _MASK, "brain_mask": _MASK}
_PLACEHOLDERS = frozenset({"case", "patient"})
_TOKENS = re.compile(r"(\{[^{}]*\}|\*|[{}])")
# Values are written for an unlabelled data set too; the longest-lived convention is then a fair choice.
_CONVENTION_WITHOUT_LABELS = "brats2017"

Bound = tuple[tuple[str, str], ...]


@dataclass
class _Files:
    """Files of one case by role, and its patient."""

    patient: str = ""
    by_role: dict[str, Path] = field(default_factory=dict)


def pattern_layout(pattern: Mapping[str, str]) -> Layout:
    """Make a layout of the user's own naming.

    Args:
        pattern: Modality (any year's spelling), ``label`` or ``mask`` to a path below the root, such as
            ``{case}/Flair.nii.gz``. ``{case}`` is required, ``{patient}`` optional, ``*`` stands
            for any text within one name.

    Raises:
        ConfigError: An unknown key or placeholder, a path that leaves the root, or no modality.
    """
    segments: dict[str, tuple[str, ...]] = {}
    for key, text in pattern.items():
        role = _OTHER_ROLES.get(key) or modality_named(key, KEY)
        if role in segments:
            raise ConfigError("two patterns for the same thing", where=f"{KEY}.{key}", got=role)
        segments[role] = _segments(text, f"{KEY}.{key}")
    if not set(segments) & set(ALL_MODALITIES):
        raise ConfigError(
            "a pattern without a modality",
            where=KEY,
            got=", ".join(pattern) or "nothing",
            expected="at least one of " + ", ".join(ALL_MODALITIES),
            remedy="for example flair: '{case}/{case}_flair.nii.gz'",
        )
    return Layout(PATTERN, "naming of your own", "; ".join(pattern.values()), partial(_find, segments))


def _segments(text: str, where: str) -> tuple[str, ...]:
    path = PurePosixPath(text)
    tokens = [token for token in _TOKENS.split(text) if token.startswith(("{", "}"))]
    unknown = [token for token in tokens if token.strip("{}") not in _PLACEHOLDERS]
    if unknown or "{case}" not in tokens or path.is_absolute() or ".." in path.parts:
        raise ConfigError(
            f"unknown placeholder {unknown[0]}"
            if unknown
            else "a pattern that cannot name the files of cases",
            where=where,
            got=text,
            expected="a path below the root with {case}, and if wanted {patient} and *",
            remedy="for example '{case}/Flair.nii.gz' or '{patient}/{case}/*_flair.nii.gz'",
        )
    return path.parts


def _find(
    segments: Mapping[str, tuple[str, ...]], tree: Tree, convention: LabelConvention | None
) -> Found | None:
    deepest = min(len(parts) for parts in segments.values())
    for skipped in range(deepest):
        files = _collect(segments, tree, skipped)
        with_images = {case: f for case, f in files.items() if set(f.by_role) & set(ALL_MODALITIES)}
        if with_images:
            meaning, notes = _meaning(convention, with_images)
            imageless = sorted(set(files) - set(with_images))
            if imageless:
                notes.append(f"left out, since they have no image: {some_of(imageless)}")
            cases = [_case(case_id, f, meaning) for case_id, f in with_images.items()]
            return Found(cases, meaning, notes=tuple(notes))
    return None


def _meaning(
    convention: LabelConvention | None, cases: Mapping[str, _Files]
) -> tuple[LabelConvention, list[str]]:
    if convention is not None:
        return convention, []
    if any(_LABEL in files.by_role for files in cases.values()):
        raise ConfigError(
            "naming of your own does not tell what the label values mean",
            where="data.convention",
            got="auto",
            expected="one of " + ", ".join(CONVENTIONS),
            remedy="set data.convention, or write what each value means in data.labels",
        )
    note = f"nothing tells the label convention; label maps would be in {_CONVENTION_WITHOUT_LABELS!r}"
    return CONVENTIONS[_CONVENTION_WITHOUT_LABELS], [note]


def _case(case_id: str, files: _Files, convention: LabelConvention) -> Case:
    patient, visit = patient_and_visit(case_id)
    return Case(
        case_id=case_id,
        patient=files.patient or patient,
        images={m: files.by_role[m] for m in ALL_MODALITIES if m in files.by_role},
        convention=convention,
        visit="" if files.patient else visit,
        label=files.by_role.get(_LABEL),
        brain_mask=files.by_role.get(_MASK),
    )


def _collect(segments: Mapping[str, tuple[str, ...]], tree: Tree, skipped: int) -> dict[str, _Files]:
    """Files by case; the root stands where ``skipped`` segments of each pattern lead to."""
    found: defaultdict[str, _Files] = defaultdict(_Files)
    own_parts = tree.root.parts[len(tree.root.parts) - skipped :] if skipped else ()
    for role, parts in segments.items():
        for start in _match_parts(parts[:skipped], own_parts, ()):
            for path, bound in _match(tree, str(tree.root), parts[skipped:], start):
                names = dict(bound)
                files = found[names["case"]]
                patient = names.get("patient", "")
                taken = files.by_role.get(role)
                if taken is not None or (patient and files.patient not in ("", patient)):
                    other = taken or next(iter(files.by_role.values()))
                    raise LayoutError(
                        "two files fit the same case",
                        where=names["case"],
                        got=f"{other} and {path}",
                        expected=f"one file for {role}, of one patient",
                        remedy=f"make {KEY}.{role} more precise, or give the cases different names",
                    )
                files.by_role[role] = Path(path)
                files.patient = files.patient or patient
    return dict(found)


def _match_parts(patterns: tuple[str, ...], names: tuple[str, ...], bound: Bound) -> Iterator[Bound]:
    for text, name in zip(patterns, names, strict=True):
        match = _regex(text, dict(bound)).fullmatch(name)
        if match is None:
            return
        bound = (*bound, *match.groupdict().items())
    yield bound


def _match(tree: Tree, folder: str, parts: tuple[str, ...], bound: Bound) -> Iterator[tuple[str, Bound]]:
    listing = tree.listing(folder)
    regex = _regex(parts[0], dict(bound))
    for name in listing.folders if len(parts) > 1 else listing.files:
        match = regex.fullmatch(name)
        if match is None:
            continue
        path, now = f"{folder}/{name}", (*bound, *match.groupdict().items())
        if len(parts) == 1:
            yield path, now
        else:
            yield from _match(tree, path, parts[1:], now)


def _regex(text: str, bound: Mapping[str, str]) -> re.Pattern[str]:
    """Compile one path segment; placeholders met before must repeat their value."""
    parts, seen = [], set()
    for token in _TOKENS.split(text):
        name = token.strip("{}")
        if token == "*":
            parts.append(".*")
        elif not token.startswith("{"):
            parts.append(re.escape(token))
        elif name in bound:
            parts.append(re.escape(bound[name]))
        elif name in seen:
            parts.append(f"(?P={name})")
        else:
            seen.add(name)
            parts.append(f"(?P<{name}>.+)")
    return re.compile("".join(parts))
