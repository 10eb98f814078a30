"""The networks: building blocks, attention module, USegNet and the auto-context cascade."""

from training.networks.architectures import ARCHITECTURES, build_network
from training.networks.cascade import AutoContextCascade
from training.networks.usegnet import HeadLogits, USegNet

__all__ = ["ARCHITECTURES", "AutoContextCascade", "HeadLogits", "USegNet", "build_network"]
