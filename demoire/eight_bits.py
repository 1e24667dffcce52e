"""Pictures as files of 8 bits hold them."""

from torch import Tensor


def in_eight_bits(images: Tensor) -> Tensor:
    """Each value, clipped to [0, 1], moved to the nearest of the 256 that 8 bits hold."""
    return (images.clamp(0, 1) * 255).round() / 255
