"""Frames through a real video codec: H.264, as phones and messengers write it."""

from dataclasses import dataclass
from fractions import Fraction

import av
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from demoire.simulate.isp import rgb_to_ycc, ycc_to_rgb

_RATE = 30  # frames in a second


@dataclass(frozen=True)
class VideoParameters:
    """How much is lost: x264's constant rate factor, 0 (nothing but colour detail) to 51.

    On clips with moire all over 25 takes 0.6, 28 0.3 and 34 0.14 bits for each pixel of a frame; phones write 1080p
    at 30 frames a second with 0.2-0.35, messengers with 0.05-0.1.
    """

    rate_factor: float = 28.0


def encode(frames: NDArray[np.uint8], parameters: VideoParameters) -> list[bytes]:
    """H.264 packets of planar frames (T, 3 H / 2, W): luma, then both chroma planes at half the size."""
    height, width = frames.shape[1] * 2 // 3, frames.shape[2]
    encoder = av.VideoCodecContext.create("libx264", "w")
    encoder.height, encoder.width, encoder.pix_fmt = height, width, "yuv420p"
    encoder.time_base, encoder.framerate = Fraction(1, _RATE), Fraction(_RATE)
    encoder.thread_count = 1  # the same bytes on every machine
    # As encoders in phones, which do not look ahead.
    options = {"preset": "veryfast", "x264-params": "mbtree=0:rc-lookahead=0:bframes=0"}
    encoder.options = {**options, "crf": str(parameters.rate_factor)}
    packets = []
    for number, planes in enumerate(frames):
        frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
        frame.pts = number
        packets += encoder.encode(frame)
    return [bytes(packet) for packet in [*packets, *encoder.encode(None)]]


def decode(packets: list[bytes]) -> NDArray[np.uint8]:
    """The frames of ``encode``'s packets in the order in which they are shown, planar."""
    decoder = av.VideoCodecContext.create("h264", "r")
    decoder.thread_count = 1
    frames = [frame for packet in packets for frame in decoder.decode(av.Packet(packet))]
    return np.stack([frame.to_ndarray() for frame in [*frames, *decoder.decode(None)]])


def to_planes(frames: Tensor) -> NDArray[np.uint8]:
    """(T, 3, H, W) in [0, 1], H and W even, to planar frames; chroma is the mean of four pixels."""
    ycc = rgb_to_ycc(frames * 255)
    chroma = F.avg_pool2d(ycc[:, 1:], 2) + 128
    count, _, height, width = frames.shape
    planes = torch.cat((ycc[:, 0], chroma.reshape(count, height // 2, width)), 1)
    array: NDArray[np.uint8] = planes.round().clamp(0, 255).byte().cpu().numpy()
    return array


def from_planes(planes: NDArray[np.uint8]) -> Tensor:
    """The inverse of ``to_planes``, chroma enlarged bilinearly."""
    count, rows, width = planes.shape
    height = rows * 2 // 3
    values = torch.from_numpy(planes).float()
    chroma = values[:, height:].reshape(count, 2, height // 2, width // 2) - 128
    chroma = F.interpolate(chroma, scale_factor=2, mode="bilinear", align_corners=False)
    return (ycc_to_rgb(torch.cat((values[:, None, :height], chroma), 1)) / 255).clamp(0, 1)


def compress(frames: Tensor, parameters: VideoParameters) -> Tensor:
    """What is left of frames (T, 3, H, W) in [0, 1]; any size: odd sides are continued by a pixel for the codec."""
    height, width = frames.shape[-2:]
    even = F.pad(frames, (0, width % 2, 0, height % 2), mode="replicate")
    left = from_planes(decode(encode(to_planes(even), parameters))).to(frames)
    return left[..., :height, :width]
