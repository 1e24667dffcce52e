"""Fonts found on this machine, by style. None is bundled: where one is missing, whoever sets text is told."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import ImageFont

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

FONT_FOLDERS = (
    "/usr/share/fonts",
    "/usr/local/share/fonts",
    "~/.local/share/fonts",
    "~/.fonts",
    "/System/Library/Fonts",
    "/Library/Fonts",
    "C:/Windows/Fonts",
)
# Of each style the fonts to look for: file name and face number inside a collection.
FONT_FILES: dict[str, tuple[tuple[str, int], ...]] = {
    "sans": (
        ("DejaVuSans.ttf", 0),
        ("LiberationSans-Regular.ttf", 0),
        ("NotoSans-Regular.ttf", 0),
        ("NotoSansDisplay-Regular.ttf", 0),
        ("LiberationSansNarrow-Regular.ttf", 0),
        ("arial.ttf", 0),
        ("segoeui.ttf", 0),
        ("Helvetica.ttc", 0),
    ),
    "bold": (
        ("DejaVuSans-Bold.ttf", 0),
        ("LiberationSans-Bold.ttf", 0),
        ("NotoSans-Bold.ttf", 0),
        ("arialbd.ttf", 0),
        ("segoeuib.ttf", 0),
    ),
    "serif": (
        ("DejaVuSerif.ttf", 0),
        ("LiberationSerif-Regular.ttf", 0),
        ("NotoSerif-Regular.ttf", 0),
        ("times.ttf", 0),
        ("georgia.ttf", 0),
    ),
    "mono": (
        ("DejaVuSansMono.ttf", 0),
        ("LiberationMono-Regular.ttf", 0),
        ("NotoSansMono-Regular.ttf", 0),
        ("consola.ttf", 0),
        ("Menlo.ttc", 0),
    ),
    "zh": (
        ("NotoSansCJK-Regular.ttc", 2),
        ("NotoSerifCJK-Regular.ttc", 2),
        ("NotoSansCJK-Bold.ttc", 2),
        ("wqy-zenhei.ttc", 0),
        ("msyh.ttc", 0),
        ("PingFang.ttc", 2),
    ),
}


@dataclass
class FontBook:
    """Fonts found on this machine, by style; sizes are opened once.

    Attributes:
        faces: for each style the (path, face number) pairs that exist here.
    """

    faces: dict[str, list[tuple[str, int]]]
    _open: dict[tuple[str, int, int], Font] = field(default_factory=dict)

    @classmethod
    def find(cls, folders: Sequence[str] = FONT_FOLDERS) -> "FontBook":
        """Looks for the fonts of ``FONT_FILES`` below the given folders."""
        roots = [Path(folder).expanduser() for folder in folders]
        paths = sorted(
            path for root in roots if root.is_dir() for path in root.rglob("*") if path.suffix in (".ttf", ".ttc")
        )
        by_name = {path.name: str(path) for path in reversed(paths)}
        faces = {
            style: [(by_name[name], face) for name, face in files if name in by_name]
            for style, files in FONT_FILES.items()
        }
        return cls(faces)

    def has(self, style: str) -> bool:
        """Whether a font of the style exists here."""
        return bool(self.faces[style])

    def complaint(self) -> str:
        """One sentence on what is missing, or ""."""
        missing = [style for style in FONT_FILES if not self.has(style)]
        if not missing:
            return ""
        return (
            f"No font for {', '.join(missing)} was found in {', '.join(FONT_FOLDERS)}: such text is set in another "
            "font or left out; install DejaVu and Noto CJK fonts (on Debian fonts-dejavu, fonts-noto-cjk) for more."
        )

    def names(self) -> list[str]:
        """File names of all fonts found, sorted."""
        return sorted({Path(path).name for faces in self.faces.values() for path, _ in faces})

    def face(self, rng: np.random.Generator, style: str) -> tuple[str, int]:
        """A random face of the style, of any other Latin style where that is missing, or ("", 0) for Pillow's own."""
        for candidate in (style, "sans", "serif", "mono", "bold"):
            if self.faces[candidate]:
                return self.faces[candidate][int(rng.integers(len(self.faces[candidate])))]
        return "", 0

    def open(self, face: tuple[str, int], size: int) -> Font:
        """The face at a size in pixels."""
        key = (*face, size)
        if key not in self._open:
            path, number = face
            self._open[key] = ImageFont.truetype(path, size, index=number) if path else ImageFont.load_default(size)
        return self._open[key]
