"""The public Python API: prepare data, train, load, predict, evaluate and explain.

`hvpkit/__init__.py` exports its names. The command line calls the same functions of the folders below.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from os import PathLike
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal, overload

from hvpkit.api_results import ExplainedText, TrainedModel
from hvpkit.config.loading import load_recipe
from hvpkit.config.overrides import format_override
from hvpkit.config.recipe import Recipe
from hvpkit.data.prepared import PreparedData, open_prepared
from hvpkit.data.readers.base import ImageNames
from hvpkit.errors import InputError
from hvpkit.evaluation.evaluate import Evaluation
from hvpkit.evaluation.evaluate import evaluate as evaluate_model
from hvpkit.inference.predictor import EntityPredictor, Predictor, RelationPredictor
from hvpkit.preprocessing.detection_request import DetectionRequest
from hvpkit.preprocessing.preprocess import preprocess as prepare
from hvpkit.preprocessing.random_split import SplitRequest
from hvpkit.registry import load_registry
from hvpkit.saving.model_folder import open_model_folder
from hvpkit.training.callbacks import TrainingCallbacks
from hvpkit.training.train import train as train_recipe
from hvpkit.types import Split, Task

Path_ = str | PathLike[str]
