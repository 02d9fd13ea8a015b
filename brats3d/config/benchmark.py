"""Settings of the benchmarks, as a frozen dataclass."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class BenchmarkConfig:
    """Measure how fast brats3d is beside other tools, on this machine, in one run."""

    name: str | None = None
    """What to measure (or the first argument): metrics, the scorers of segmentations,
    predict, loader (training patches), train (optimiser steps of nnU-Net's 3-D U-Net),
    memory (peak memory of training and prediction), scaling (several training processes), or app (the web
    page with several users at once; give it a small size)."""
    repeats: int = 7
    """Measurements of each contender, in turn with the others."""
    contenders: tuple[str, ...] = ()
    """Contenders to measure, such as brats3d,monai; by default all that are installed."""
    size: tuple[int, int, int] = (240, 240, 155)
    """Voxels of the made-up volumes."""
    data: tuple[str, ...] = ()
    """metrics: two label maps, prediction and reference, to measure on as well; predict: a case folder;
    loader: a data set."""
    convention: str = "brats2023"
    """Label convention of both files."""
    brats_evaluation_python: str | None = None
    """Python with the package brats-evaluation, whose NumPy is older than ours."""
    nnunet_python: str | None = None
    """Python with the package nnunetv2, which is then measured too (loader, predict, train)."""
    threads: int | None = None
    """Threads of each contender; by default 1 for metrics and loader (scaling: of each process), as many as
    cores for the others."""
    run: str | None = None
    """predict, memory: the run whose network is used; by default that of the quick start with random weights,
    and with nnunet_python a dynunet, which nnU-Net has, too. app: the run that segments; by default fuzzy
    K-means does."""
    recipe: str | None = None
    """memory, scaling: configuration file of the training that is measured; by default the quick start."""
    processes: tuple[int, ...] = (1, 2)
    """scaling: numbers of processes to compare; all others are compared with the first."""
    patch: tuple[int, int, int] = (128, 128, 128)
    """loader, train: voxels of a training patch; predict with nnunet_python: of a window, unless a run is
    given."""
    users: int = 20
    """app: users at the same time."""
    cases: int = 3
    """app: cases that each of them segments."""
    batch_size: int = 2
    """train: patches per step."""
    output: str | None = None
    """JSON file for every single measurement."""
    overwrite: bool = False
    """Replace that file."""
