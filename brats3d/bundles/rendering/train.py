"""``train.json`` and its overlay for several processes: more training of the network of a run."""

from __future__ import annotations

import dataclasses
from typing import Any

from brats3d.assembly import augmentation_settings
from brats3d.bundles.rendering.inference import render_inference
from brats3d.bundles.source import BundleSource

_SHARE_OF_RATE = 0.1
"""Peak learning rate of a fine-tuning, as a share of that of the run, which began with random weights."""


def render_training(source: BundleSource) -> dict[str, Any]:
    """The two files by name; none for an ensemble, whose members have to be trained one by one."""
    if source.is_ensemble:
        return {}
    return {"train.json": render_train(source), "multi_gpu_train.json": render_multi_gpu_train()}


def render_train(source: BundleSource) -> dict[str, Any]:
    """Configuration that trains the network further, with the settings of the run.

    The keys ``train`` and ``validate`` are those that MONAI Label overrides.
    """
    config, shared = source.config, render_inference(source)
    kept = ("bundle_root", "dataset_dir", "ckpt_path", "device", "modalities", "labels", "precision")
    return {
        "imports": ["$import monai", "$import torch"],
        **{key: shared[key] for key in kept},
        "data_list_file": None,
        "validation": 0.2,
        "prepared_dir": "$@bundle_root + '/prepared'",
        "max_epochs": 20,
        "val_interval": 1,
        "learning_rate": config.optim.lr * _SHARE_OF_RATE,
        "num_workers": 0,
        "rank": 0,
        "ranks": 1,
        "network_def": shared["network_def"],
        "plain_network": "$@network_def.to(@device)",
        "network": "@plain_network",
        "weights": shared["weights"],
        "float16": {
            "_target_": "scripts.training.float16_on_gpu",
            "device": "@device",
            "precision": "@precision",
        },
        "parts": {
            "_target_": "scripts.training_data.labelled_parts",
            "folder": "@dataset_dir",
            "modalities": "@modalities",
            "labels": "@labels",
            "validation": "@validation",
            "list_file": "@data_list_file",
        },
        "preparation": {
            "_target_": "scripts.training_data.Preparation",
            "labels": "@labels",
            "folder": "@prepared_dir",
            **source.preprocessing(),
        },
        "train": _train(source),
        "validate": _validate(source, shared["inferer"]),
        "run": ["$@plain_network.load_state_dict(@weights)", "$@train#trainer.run()"],
    }


def render_multi_gpu_train() -> dict[str, Any]:
    """Laid over ``train.json``: one process for each GPU (or several on a CPU), started by ``torchrun``."""
    return {
        "imports": ["$import os", "$import monai", "$import torch", "$import torch.distributed as dist"],
        "on_gpu": "$torch.cuda.is_available()",
        "local_rank": "$int(os.environ['LOCAL_RANK'])",
        "device": "$torch.device('cuda', @local_rank) if @on_gpu else torch.device('cpu')",
        "rank": "$dist.get_rank()",
        "ranks": "$dist.get_world_size()",
        "network": {
            "_target_": "torch.nn.parallel.DistributedDataParallel",
            "module": "@plain_network",
            "device_ids": "$[@local_rank] if @on_gpu else None",
        },
        "initialize": [
            "$dist.init_process_group(backend='nccl' if @on_gpu else 'gloo')",
            "$torch.cuda.set_device(@device) if @on_gpu else None",
        ],
        "finalize": ["$dist.destroy_process_group()"],
    }


def _train(source: BundleSource) -> dict[str, Any]:
    config, optim = source.config, source.config.optim
    return {
        "dataset": {
            "_target_": "scripts.training_data.TrainingSamples",
            "data": "$@parts['training']",
            "preparation": "@preparation",
            **_sampling(source),
        },
        "sampler": {
            "_target_": "scripts.core.data.datasets.RunningSampler",
            "length": config.patch.per_epoch,
            "rank": "@rank",
            "ranks": "@ranks",
        },
        "dataloader": {
            "_target_": "torch.utils.data.DataLoader",
            "dataset": "@train#dataset",
            "batch_size": config.patch.batch_size,
            "sampler": "@train#sampler",
            "num_workers": "@num_workers",
            "drop_last": True,
        },
        "loss": {
            "_target_": "scripts.training.RegionLoss",
            "name": config.loss.name,
            "params": dict(config.loss.params),
            "head": config.model.head,
            "labels": "@labels",
        },
        "optimizer": {
            "_target_": "scripts.core.training.optimisers.build_optimiser",
            "name": optim.name,
            "parameters": "$@network.parameters()",
            "lr": "@learning_rate",
            "weight_decay": optim.weight_decay,
            "momentum": optim.momentum,
            "fused": False,
        },
        "handlers": _handlers(source),
        "trainer": {
            "_target_": "SupervisedTrainer",
            "max_epochs": "@max_epochs",
            "device": "@device",
            "train_data_loader": "@train#dataloader",
            "network": "@network",
            "loss_function": "$@train#loss.to(@device)",
            "optimizer": "@train#optimizer",
            "train_handlers": "@train#handlers",
            "inferer": {"_target_": "scripts.training.AutocastInferer", "precision": "@precision"},
            "decollate": False,
            "amp": "$@float16['amp']",
            "amp_kwargs": "$@float16['amp_kwargs']",
        },
    }


def _sampling(source: BundleSource) -> dict[str, Any]:
    config = source.config
    slices = dataclasses.asdict(config.slices) if config.model.spatial_dims == 2 else None
    transplantation = None
    chosen = config.transplant
    if slices is None and (chosen.heal_probability or chosen.transplant_probability):
        mirror_axis = next(i for i, code in enumerate(config.preprocess.orientation) if code in "LR")
        transplantation = {**dataclasses.asdict(chosen), "mirror_axis": mirror_axis}
    return {
        "size": list(config.patch.size),
        "foreground": config.patch.foreground,
        "empty": config.patch.empty,
        "augmentation": augmentation_settings(config),
        "transplantation": transplantation,
        "slices": slices,
        "seed": config.seed,
    }


def _handlers(source: BundleSource) -> list[dict[str, Any]]:
    optim = source.config.optim
    return [
        {
            "_target_": "scripts.training_handlers.RateSchedule",
            "optimizer": "@train#optimizer",
            "lr": "@learning_rate",
            "schedule": optim.schedule,
            "warmup": optim.warmup,
        },
        {"_target_": "scripts.training_handlers.SamplerEpochs", "sampler": "@train#sampler"},
        {
            "_target_": "scripts.training_handlers.GradientClipping",
            "network": "@plain_network",
            "max_norm": source.config.trainer.gradient_clip_val,
        },
        {
            "_target_": "scripts.training_handlers.BestWeights",
            "network": "@plain_network",
            "evaluator": "@validate#evaluator",
            "path": "@ckpt_path",
            "interval": "@val_interval",
        },
        {
            "_target_": "StatsHandler",
            "tag_name": "loss",
            "output_transform": "$lambda output: output['loss'].item()",
        },
    ]


def _validate(source: BundleSource, inferer: dict[str, Any]) -> dict[str, Any]:
    return {
        "dataset": {
            "_target_": "scripts.training_data.ValidationVolumes",
            "data": "$@parts['validation']",
            "preparation": "@preparation",
        },
        "sampler": {
            "_target_": "torch.utils.data.DistributedSampler",
            "dataset": "@validate#dataset",
            "num_replicas": "@ranks",
            "rank": "@rank",
            "shuffle": False,
        },
        "dataloader": {
            "_target_": "torch.utils.data.DataLoader",
            "dataset": "@validate#dataset",
            "batch_size": 1,
            "sampler": "@validate#sampler",
        },
        # Mirror images would multiply the time of every validation and hardly change its ranking.
        "inferer": {**inferer, "flips": False},
        "postprocessing": {
            "_target_": "scripts.training.AsRegionsd",
            "labels": "@labels",
            "thresholds": dict(source.config.postprocess.thresholds),
        },
        "key_metric": {
            "dice": {
                "_target_": "MeanDice",
                "include_background": True,
                "output_transform": "$monai.handlers.from_engine(['pred', 'label'])",
            }
        },
        "evaluator": {
            "_target_": "SupervisedEvaluator",
            "device": "@device",
            "val_data_loader": "@validate#dataloader",
            "network": "@plain_network",
            "inferer": "@validate#inferer",
            "postprocessing": "@validate#postprocessing",
            "key_val_metric": "@validate#key_metric",
        },
    }
