"""``brats3d <verb>``: lists the verbs and hands over to the one that is named."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from brats3d import __version__

VERBS: Mapping[str, str] = MappingProxyType(
    {
        "fit": "train, validate, test, and write a run",
        "prepare": "crop, normalise and compress a data set once, ahead of training",
        "crossval": "one run per fold, each case scored by the run that did not train on it",
        "sweep": "one run for each combination of settings, and one table of their scores",
        "submit": "a batch script that trains on a SLURM cluster, and requeues and resumes",
        "adapt": "a run for another data set, by adversarial training without its labels",
        "predict": "label maps from one run, or from several averaged",
        "evaluate": "score label maps of any tool against references",
        "report": "a page with scores, figures and cases of a run, or of several compared",
        "app": "a web page that segments what is dropped on it, and shows it",
        "extract": "features of regions (shape, place, intensities, texture) as a table",
        "ensemble": "fuse predictions of any tools: vote, STAPLE, or mean",
        "export": "a run as a MONAI bundle that works without brats3d",
        "synthesize": "write a phantom data set to try everything with",
        "benchmark": "measure speed and memory beside other tools",
    }
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a verb. Returns the exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if words and words[0] in VERBS:
        module = importlib.import_module(f"brats3d.{words[0]}")
        return int(module.main(words[1:]))
    if words and words[0] == "--version":
        print(__version__)
        return 0
    asked = not words or words[0] in {"-h", "--help"}
    lines = [] if asked else [f"brats3d: error: unknown verb {words[0]!r}"]
    lines += ["usage: brats3d VERB [options]; `brats3d VERB --help` explains one", ""]
    lines += [f"  {verb:<12}{purpose}" for verb, purpose in VERBS.items()]
    print("\n".join(lines), file=sys.stdout if asked else sys.stderr)
    return 0 if asked else 2


if __name__ == "__main__":
    raise SystemExit(main())
