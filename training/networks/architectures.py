"""The networks by name: what `network.architecture` may be."""

from collections.abc import Callable

from torch import nn

from training.config.network import NetworkConfig
from training.config.training import ConfigError
from training.networks.residual import ResidualNet
from training.networks.slices import SliceNetwork
from training.networks.usegnet import USegNet

Build = Callable[[NetworkConfig], nn.Module]
"""Configuration -> network whose forward maps (N, 1, I, J, K) to `HeadLogits`."""

ARCHITECTURES: dict[str, Build] = {
    "usegnet": USegNet,
    "residual": ResidualNet,
}


def build_network(config: NetworkConfig, anatomy_channels: int = 0) -> nn.Module:
    """Build the network of a configuration; ConfigError for an unknown architecture.

    Only the residual network can have an anatomy head.
    """
    if config.architecture not in ARCHITECTURES:
        known = ", ".join(ARCHITECTURES)
        raise ConfigError(f"no network.architecture {config.architecture!r}; expected one of {known}")
    if anatomy_channels:
        return ResidualNet(config, anatomy_channels)
    network = ARCHITECTURES[config.architecture](config)
    return SliceNetwork(network) if config.view == "slices" else network
