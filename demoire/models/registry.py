"""Architectures by name. To add one: a file with a frozen config dataclass and its module, and a line here."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from torch import nn

from demoire.errors import UnknownNameError
from demoire.models.base import from_json
from demoire.models.detector import Detector, DetectorConfig
from demoire.models.discriminator import Discriminator, DiscriminatorConfig
from demoire.models.esdnet import ESDNet, ESDNetConfig
from demoire.models.recurrent import Recurrent, RecurrentConfig
from demoire.models.unet import UNet, UNetConfig


@dataclass(frozen=True)
class Architecture:
    """A default configuration (a frozen dataclass) and what builds the network from one."""

    config: Any
    build: Callable[[Any], nn.Module]


ARCHITECTURES: Mapping[str, Architecture] = {
    "unet": Architecture(UNetConfig(), UNet),
    "recurrent": Architecture(RecurrentConfig(), Recurrent),
    "detector": Architecture(DetectorConfig(), Detector),
    "discriminator": Architecture(DiscriminatorConfig(), Discriminator),
    "esdnet": Architecture(ESDNetConfig(), ESDNet),
    "esdnet-l": Architecture(ESDNetConfig(alignments=2), ESDNet),
}


def architectures() -> tuple[str, ...]:
    """The names that ``build_model`` takes."""
    return tuple(sorted(ARCHITECTURES))


def build_model(architecture: str, **config_fields: object) -> nn.Module:
    """Builds a network with fresh weights.

    Args:
        architecture: one of ``architectures()``.
        config_fields: fields of the architecture's configuration that differ from its defaults; lists stand for tuples.

    Raises:
        UnknownNameError: no such architecture, or no such field; names the nearest.
        ValueError: the values do not fit together.
    """
    if architecture not in ARCHITECTURES:
        raise UnknownNameError.nearest("architecture", architecture, ARCHITECTURES)
    entry = ARCHITECTURES[architecture]
    known = {f.name for f in fields(entry.config)}
    for name in config_fields:
        if name not in known:
            raise UnknownNameError.nearest(f"field of the architecture '{architecture}'", name, known)
    return entry.build(replace(entry.config, **from_json(config_fields)))
