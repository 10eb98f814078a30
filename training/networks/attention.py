"""The attention module (paper section 2.4, figure 3): on skip connections (SAM) and in the upsample path (UAM)."""

import torch
from torch import nn


class AttentionModule(nn.Module):
    """F (N, C_in, I, J, K) -> attended features (N, C_out, I, J, K).

    P = 1^3 convolution of F; A = softmax over channels of two k^3 convolutions of P without non-linearity (eq. 3, 4);
    T = A * P; the result is a k^3 convolution of [P, T].

    The temperature divides the logits of A. It adds nothing to what the module can compute (the last convolution
    absorbs it, see `absorb_temperature`), but keeps logits small under Adam's steps of fixed size: without it they
    grow to thousands, the softmax becomes a switch that no longer learns, and single precision is not enough.
    """

    def __init__(self, c_in: int, c_shrunk: int, c_out: int, kernel: int, temperature: float = 1.0) -> None:
        super().__init__()
        self.temperature = temperature
        pad = kernel // 2
        self.shrink = nn.Conv3d(c_in, c_shrunk, 1)
        self.weigh = nn.Sequential(
            nn.Conv3d(c_shrunk, c_shrunk, kernel, padding=pad), nn.Conv3d(c_shrunk, c_shrunk, kernel, padding=pad)
        )
        self.fuse = nn.Conv3d(2 * c_shrunk, c_out, kernel, padding=pad)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Filter the features."""
        shrunk = self.shrink(features)  # P (N, 32, I, J, K)
        attention = torch.softmax(self._logits(shrunk), dim=1)  # A (N, 32, I, J, K)
        refined = attention * shrunk  # T (N, 32, I, J, K)
        fused: torch.Tensor = self.fuse(torch.cat((shrunk, refined), dim=1))  # (N, 64, I, J, K)
        return fused

    def _logits(self, shrunk: torch.Tensor) -> torch.Tensor:
        """Return W / temperature, (N, 32, I, J, K)."""
        logits: torch.Tensor = self.weigh(shrunk)
        return logits if self.temperature == 1 else logits / self.temperature

    @torch.no_grad()
    def absorb_temperature(self) -> None:
        """Divide the last attention convolution by the temperature, which becomes 1; the output stays the same."""
        last = self.weigh[-1]
        for parameter in last.parameters():
            parameter.div_(self.temperature)
        self.temperature = 1.0
