"""Words of the command line, spelled out in the one form that the parser of options reads.

So that people may write ``--run a b``, ``--patch.size 64,64,64``, ``--overwrite`` and ``--batch-size 2``
where the parser wants ``--run=["a", "b"]``, ``--patch.size=[64,64,64]``, ``--overwrite=true`` and
``--batch_size=2``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, get_args, get_origin

_SWITCH_VALUES = {"true", "false", "yes", "no"}
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?", re.IGNORECASE)
_FLAGS = {"--help", "-h", "--print_config"}


def spelled_out(
    words: Sequence[str],
    kinds: Mapping[str, Any],
    *,
    positionals: Sequence[str] = (),
    alone: Mapping[str, str] | None = None,
) -> list[str]:
    """Give every option exactly one value, and every positional word its name.

    Args:
        words: Words after the verb.
        kinds: Dotted option to the type of its value.
        positionals: Options that may also be given by position.
        alone: Option to the value it has when it stands alone.

    Returns:
        The words; lists are in brackets and joined to their option, switches have a value.
    """
    waiting = list(words)
    unnamed = list(positionals)
    texts: dict[str, list[str]] = {}
    made: list[str] = []
    while waiting:
        word = waiting.pop(0)
        key, joined, value = word.removeprefix("--").partition("=")
        if word.startswith("--") and key not in kinds and (known := key.replace("-", "_")) in kinds:
            key, word = known, f"--{known}{joined}{value}"
        kind = kinds.get(key) if word.startswith("--") else None
        following = waiting[0] if waiting else "--"
        if _item(kind) is not None:
            values = [value] if joined else _values(_item(kind), waiting)
            made.append(_list(key, values, _item(kind), texts))
        elif joined or word in _FLAGS:
            made.append(word)
        elif bool in (kind, *get_args(kind)):
            has_value = following.lower() in _SWITCH_VALUES if unnamed else not following.startswith("-")
            made.append(f"{word}={waiting.pop(0) if has_value else 'true'}")
        elif alone and key in alone and following.startswith("--"):
            made.append(f"{word}={alone[key]}")
        elif word.startswith("--"):
            made += [word, *([waiting.pop(0)] if waiting and not _is_option(following) else [])]
        elif unnamed and not word.startswith("-"):
            made.append(f"--{unnamed.pop(0)}={word}")
        else:
            made.append(word)
    return made


def _item(kind: Any) -> Any:
    """Type of a list's items, or None where ``kind`` is not a list."""
    for choice in (kind, *get_args(kind)):
        if get_origin(choice) is tuple:
            return get_args(choice)[0]
    return None


def _is_option(word: str) -> bool:
    return word.startswith("--")


def _values(item: Any, waiting: list[str]) -> list[str]:
    """Take the words that belong to a list off ``waiting``."""
    taken: list[str] = []
    while waiting and not _is_option(waiting[0]):
        fits = item is str or _NUMBER.fullmatch(waiting[0]) is not None
        if taken and (not fits or _is_bracketed(taken[0])):
            break
        taken.append(waiting.pop(0))
    return taken


def _list(key: str, values: Sequence[str], item: Any, texts: dict[str, list[str]]) -> str:
    if not values:
        return f"--{key}"
    if len(values) == 1 and (_is_bracketed(values[0]) or values[0] in {"null", ""}):
        texts.pop(key, None)
        value = f"[{values[0][1:-1]}]" if values[0].startswith("(") else values[0]
        return f"--{key}={value}"
    single = [part.strip() for value in values for part in value.split(",") if part.strip()]
    if item is not str:
        return f"--{key}=[{', '.join(single)}]"
    # `--run a --run b` means both; of numbers, as of anything else, the last word counts.
    texts[key] = [*texts.get(key, []), *single]
    return f"--{key}={json.dumps(texts[key], ensure_ascii=False)}"


def _is_bracketed(value: str) -> bool:
    return value.startswith(("[", "("))
