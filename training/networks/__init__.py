"""The networks: building blocks, attention module, USegNet and the auto-context cascade."""

from training.networks.cascade import AutoContextCascade
from training.networks.usegnet import HeadLogits, USegNet

__all__ = ["AutoContextCascade", "HeadLogits", "USegNet"]
