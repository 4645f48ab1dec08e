"""Summaries: loading and saving them, training on them, and sampling sequences from them."""

from td3core.summary.artifact import load_summary, save_summary
from td3core.summary.manifest import DatasetInfo, Manifest, usage
from td3core.summary.summary import Recommender, Summary

__all__ = ["DatasetInfo", "Manifest", "Recommender", "Summary", "load_summary", "save_summary", "usage"]
