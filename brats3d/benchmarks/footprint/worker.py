"""A process that trains a few steps, or segments a case, once.

Run as ``python worker.py CONTENDER JOB.json``; it answers as
:mod:`brats3d.benchmarks.serving` does.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from brats3d.benchmarks.predicting import bundle, own
from brats3d.benchmarks.predicting import model as predicting
from brats3d.benchmarks.serving import Contender, Ready, serve

if TYPE_CHECKING:
    from brats3d.config import FitConfig

CASES = 5
"""Cases to train on: enough to hold one out, validate with one and mix the others."""

_STEPS = 3  # the first one allocates what the optimiser keeps
_PACKAGES = ("brats3d", "monai", "torch", "pytorch_lightning")


@dataclass(frozen=True)
class Job:
    """What to train on, and what to segment.

    Attributes:
        recipe: File of the configuration, if any.
        run: Folder of the run, if any; then there is no recipe.
        cases: Data set that is trained on.
        case: Folder of the case that is segmented.
        folder: Where whatever is written goes.
    """

    recipe: str | None
    run: str | None
    cases: str
    case: str
    folder: str

    def save(self, file: Path) -> None:
        """Write everything as JSON."""
        file.write_text(json.dumps(asdict(self)), encoding="utf-8")

    @classmethod
    def read(cls, file: Path) -> Job:
        """Read what :meth:`save` wrote."""
        return cls(**json.loads(file.read_text(encoding="utf-8")))

    def segmenting(self) -> predicting.Job:
        """The part about the case."""
        return predicting.Job(self.case, self.run, self.folder, recipe=self.recipe)


def shortened(config: FitConfig, cases: str, folder: str) -> FitConfig:
    """Return a training of a few steps that takes the memory of the whole training.

    Args:
        config: The whole training.
        cases: Data set that it is made on instead.
        folder: Where the run goes.
    """
    from brats3d.config import DataConfig, SplitConfig

    def share(configured: float) -> float:
        return 0.2 if configured else 0.0

    return replace(
        config,
        name="steps",
        folder=folder,
        resume=None,
        extend=None,
        data=DataConfig(
            root=cases,
            modalities=config.data.modalities,
            residency=config.data.residency,
            workers=config.data.workers,
        ),
        split=SplitConfig(val=share(config.split.val), test=share(config.split.test)),
        report=False,
        patch=replace(config.patch, per_epoch=_STEPS * config.patch.batch_size),
        trainer=replace(
            config.trainer,
            max_epochs=1,
            max_minutes=None,
            check_val_every_n_epoch=1,
            devices=1,
            num_nodes=1,
            enable_progress_bar=False,
        ),
    )


def _fit(job: Job) -> Ready:
    import brats3d

    config = shortened(predicting.Model(job.segmenting()).config, job.cases, job.folder)
    return _remembering(lambda: brats3d.fit(config))


def _predict(job: Job, ready: Callable[[predicting.Job], Ready]) -> Ready:
    work, _ = ready(job.segmenting())
    return _remembering(work)


def _remembering(work: Callable[[], Any]) -> Ready:
    """Keep what the work takes besides main memory."""
    from brats3d.benchmarks.footprint.gpu import GpuPeak

    def timed() -> dict[str, dict[str, float]]:
        gpu, wall, cpu = GpuPeak(), time.perf_counter(), time.process_time()
        work()
        took = {"wall_ms": 1000 * (time.perf_counter() - wall), "cpu_ms": 1000 * (time.process_time() - cpu)}
        return {"time": took, "children": {"peak_mib": _largest_child_mib()}, "gpu": gpu.mib()}

    return timed, lambda scores: scores


def _largest_child_mib() -> float:
    """Peak memory of the largest process that this one started and that ended; NaN where unknown."""
    try:
        import resource
    except ImportError:  # Windows
        return float("nan")
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * unit / 2**20


CONTENDERS: Mapping[str, Contender] = MappingProxyType(
    {
        "fit": Contender(
            f"fit, as configured but on {CASES} phantoms and for {_STEPS} steps, with validation and test",
            _PACKAGES,
            _fit,
        ),
        "predict": Contender(
            "predict with the same network, without mirror images",
            _PACKAGES,
            partial(_predict, ready=partial(own.predicted, precision=None)),
        ),
        "monai": Contender(
            "the steps of MONAI's brats_mri_segmentation bundle on the full image around the same network",
            _PACKAGES[1:3],
            partial(_predict, ready=bundle.full_image),
        ),
    }
)


def main(name: str, file: str) -> None:
    """Answer until there is nothing more to read."""
    serve(CONTENDERS[name], lambda: Job.read(Path(file)))


if __name__ == "__main__":
    main(*sys.argv[1:])
