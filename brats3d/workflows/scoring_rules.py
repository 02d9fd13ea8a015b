"""The rules of the scores: a profile, or one with parts of the user's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from brats3d.metrics import EMPTY_POLICIES, PROFILES, SURFACE_DEFINITIONS, EmptyPolicy, Profile
from brats3d.registry import look_up


def chosen_profile(
    profile: Profile | str,
    *,
    definition: str | None = None,
    policy: EmptyPolicy | str | None = None,
    penalty_mm: float | None = None,
    tolerances_mm: Sequence[float] | None = None,
) -> Profile:
    """Return a profile with the given parts in place of its own; its name then says that it is changed.

    Args:
        profile: A profile, or its name in :data:`~brats3d.metrics.PROFILES`.
        definition: Surface definition of the distances.
        policy: What a metric is worth when a mask is empty, or the name of such a policy.
        penalty_mm: Distance charged where none can be measured, for regions and for lesions.
        tolerances_mm: Tolerances of the normalised surface Dice.

    Raises:
        ConfigError: An unknown name, or a value that cannot work.
    """
    base = look_up(PROFILES, profile, "profile") if isinstance(profile, str) else profile
    chosen = base
    if definition is not None:
        look_up(SURFACE_DEFINITIONS, definition, "definition")
        chosen = replace(chosen, definition=definition)
    if policy is not None:
        named = look_up(EMPTY_POLICIES, policy, "policy") if isinstance(policy, str) else policy
        chosen = replace(chosen, policy=named)
    if penalty_mm is not None:
        charged = chosen.policy.with_penalty(float(penalty_mm))
        lesions = replace(chosen.lesions, penalty_mm=charged.penalty_mm)
        chosen = replace(chosen, policy=charged, lesions=lesions)
    if tolerances_mm is not None:
        chosen = replace(chosen, nsd_tolerances_mm=tuple(tolerances_mm))
    return chosen if chosen == base else replace(chosen, name=f"{base.name}, changed")
