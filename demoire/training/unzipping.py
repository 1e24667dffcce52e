"""Pictures that a package keeps in a ZIP file: block-compressed textures, as games have them."""

import io
import zipfile
from collections.abc import Sequence
from fnmatch import fnmatch
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from demoire.errors import DataError

_COMPRESSED_SUFFIX = ".cached.dds"
# What games keep beside a texture: directions of its surface and its gloss, no pictures.
_NO_PICTURES = ("_norm", "_spec")


def unzip_textures(archive: Path, patterns: Sequence[str], target: Path) -> list[Path]:
    """Writes the textures of a ZIP file that match one of the patterns below ``target`` as PNG files; returns these.

    They are halved: the colours of blocks of 4 x 4 pixels that were compressed together are then less alike. In the
    patterns ``*`` stands for folders, too.

    Raises:
        DataError: there is no such archive, or it is damaged.
    """
    if not archive.is_file():
        raise DataError(f"The package has no {archive.name}; another version of it is needed.")
    written = []
    try:
        with zipfile.ZipFile(archive) as members:
            for name in sorted(members.namelist()):
                inner = Path(name.removesuffix(_COMPRESSED_SUFFIX))
                wanted = any(fnmatch(name, pattern + _COMPRESSED_SUFFIX) for pattern in patterns)
                if not wanted or inner.stem.endswith(_NO_PICTURES):
                    continue
                path = target / inner.with_suffix(".png")
                path.parent.mkdir(parents=True, exist_ok=True)
                with Image.open(io.BytesIO(members.read(name))) as image:
                    image.convert("RGB").reduce(2).save(path)
                written.append(path)
    except (zipfile.BadZipFile, UnidentifiedImageError) as error:
        raise DataError(f"{archive.name} is damaged ({error}); delete the package and try again.") from error
    return written
