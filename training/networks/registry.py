"""Networks by name."""

from collections.abc import Callable

from torch import nn

from training.config import NetworkConfig
from training.networks.residual import ResidualNet
from training.networks.usegnet import USegNet

ARCHITECTURES: dict[str, Callable[[NetworkConfig, int], nn.Module]] = {"usegnet": USegNet, "residual": ResidualNet}
"""What a network is built from: (configuration, input channels) -> module that gives `HeadLogits`."""


def build(config: NetworkConfig, c_in: int = 1) -> nn.Module:
    """A network with fresh weights."""
    return ARCHITECTURES[config.architecture](config, c_in)
