"""Pictures in and out without loss: ``decode`` a file, ``encode`` a result, choose its kind and name.

Identity holds for every lossless kind: what ``encode`` writes, ``decode`` reads back exactly, with the same profile, EXIF, alpha,
bit depth and resolution. What cannot be kept is told by notices.
"""

from pathlib import Path

from demoire.picture import Limits, Notice, Picture, Samples

__all__ = ["Limits", "Notice", "Picture", "Samples", "decode", "encode", "output_kind", "output_name"]


def decode(path: Path, name: str | None = None, limits: Limits | None = None) -> Picture:
    """Reads the picture at ``path``, upright; ``name`` is its original name where ``path`` is a temporary file's.

    Raises:
        PictureError: missing, empty, not a picture, truncated, too large, or of a kind that cannot be read without loss.
    """
    raise NotImplementedError


def encode(picture: Picture, path: Path, kind: str) -> tuple[Notice, ...]:
    """Writes ``picture`` to ``path`` as "jpeg", "png", "webp", "tiff" or "bmp"; all or nothing (a crash leaves no half file).

    JPEG is written at quality 95 without chroma subsampling; the others without loss. Returns what ``kind`` cannot keep.

    Raises:
        OutputError: the folder is missing or not writable, the disk is full, or ``kind`` cannot hold a picture of this size.
    """
    raise NotImplementedError


def output_kind(picture: Picture, choice: str = "auto") -> str:
    """The kind of file to write for ``choice`` "auto", "png" or "jpg": auto keeps JPEG and lossless kinds, else PNG.

    Raises:
        UnknownNameError: another ``choice``.
    """
    raise NotImplementedError


def output_name(name: str, kind: str) -> str:
    """``<stem>_demoired.<suffix of kind>`` for the original file ``name``, without folders or control characters, at most 200
    bytes of UTF-8."""
    raise NotImplementedError
