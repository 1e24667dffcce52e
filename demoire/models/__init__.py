"""Networks: pure PyTorch, no files, no pipeline."""

from demoire.models.base import Needs
from demoire.models.registry import architectures, build_model

__all__ = ["Needs", "architectures", "build_model"]
