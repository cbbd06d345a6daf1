"""Retrieval: nearest items of any domain in the common space."""

from .answers import Answers, Hit
from .index import Index

__all__ = ["Answers", "Hit", "Index"]
