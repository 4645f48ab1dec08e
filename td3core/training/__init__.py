"""Ordinary trainings: on a log, on embedded sequences, and of students that a summary teaches."""

from td3core.training.embeddings import EmbeddedTraining
from td3core.training.log import LogTraining, LogTrainingState, Trained, predict_targets
from td3core.training.rollouts import log_counts, roll_out
from td3core.training.students import StudentTraining, train_labeller
from td3core.training.teacher import TeacherTraining, TeacherTrainingState

__all__ = [
    "EmbeddedTraining",
    "LogTraining",
    "LogTrainingState",
    "StudentTraining",
    "TeacherTraining",
    "TeacherTrainingState",
    "Trained",
    "log_counts",
    "predict_targets",
    "roll_out",
    "train_labeller",
]
