"""Numbers and texts of a job that a scheduler would refuse, or take and then misunderstand."""

from __future__ import annotations

import re
from collections.abc import Iterator

from brats3d.config import SubmitConfig
from brats3d.errors import ConfigError

_TIME = re.compile(r"\d+(:[0-5]?\d){0,2}|\d+-\d+(:[0-5]?\d){0,2}", re.ASCII)
_MEMORY = re.compile(r"\d+[KMGT]?", re.ASCII)
_NAME = re.compile(r"[^/\s.\-][^/\n\r\t]*")
_Check = tuple[str, object, bool, str, str]


def check_job(config: SubmitConfig) -> None:
    """Check what a job needs.

    Raises:
        ConfigError: A value that cannot work; the message names its option.
    """
    for where, got, works, expected, remedy in _checks(config):
        if not works:
            raise ConfigError(
                "a job cannot have this", where=where, got=got, expected=expected, remedy=remedy
            )


def _checks(config: SubmitConfig) -> Iterator[_Check]:
    name, time, mem = config.name, config.time, config.mem
    plain = name is not None and _NAME.fullmatch(name) is not None
    yield "name", name, plain, "a plain name of a folder", "name the run: --name NAME"
    for key, least in (("nodes", 1), ("gpus_per_node", 0), ("cpus_per_gpu", 1)):
        number = getattr(config, key)
        yield key, number, number >= least, f"{least} or more", "count what one machine has"
    lasts = time is None or (_TIME.fullmatch(time) is not None and any(map(int, re.findall(r"\d+", time))))
    yield "time", time, lasts, "hours:minutes:seconds, days-hours or minutes", "such as 24:00:00, 2-12 or 90"
    fits = mem is None or _MEMORY.fullmatch(mem) is not None
    yield "mem", mem, fits, "a whole number with K, M, G or T", "such as 128G"
    for key in ("partition", "account"):
        word = getattr(config, key)
        one = word is None or (word != "" and not re.search(r"\s", word))
        yield key, word, one, "one word", f"leave it out for the cluster's own {key}"
    averaged = config.predict_input is None or config.array is not None
    yield "predict_input", config.predict_input, averaged, "--array folds beside it", "average folds"
