"""Gathers clean pictures with a free licence from Debian packages into a content folder with a manifest.

The packages (of Debian 12) are downloaded and unpacked, not installed. Licence and author come from the package's own
statements; where these lie, and which pictures are photos, says ``RULES``.
"""

import json
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from demoire.errors import DataError, OutputError
from demoire.training.manifest import FOLDER_MANIFEST, PICTURE_SUFFIXES, Source, file_sha256, write_manifest
from demoire.training.unzipping import unzip_textures

ACCEPTED = ("CC0", "CC-BY", "CC-BY-SA", "MIT", "GFDL")
_SHORTEST_SIDE = 360
_SIDE = 32
# Of 32 x 32 signs of the horizontal gradient so many differ at most between near-duplicates.
_SAME_SIGNS = 16
# What stands in a copyright line beside names: addresses, signs, years, quotes.
_NOT_NAMES = re.compile(r"<[^>]*>|\(c\)|\b\d{4}(-\d{4})?\b[,.]?|\"", re.IGNORECASE)


@dataclass(frozen=True)
class Rule:
    """Which pictures of a package to take.

    Attributes:
        package: its name.
        folder: where they go below the content folder; ``photos/...``, ``screens/...`` or ``textures/...``.
        root: the folder inside the package that the patterns, and the names given here, start from.
        patterns: globs of the pictures; with ``zipped`` of its members, as ``unzip_textures`` reads them.
        licence: their licence, or "" to read it from the package's copyright file.
        author: beside a given licence.
        zipped: a ZIP file below the root whose textures to take.
        fewest_pixels: smaller pictures are left out.
    """

    package: str
    folder: str
    root: str
    patterns: tuple[str, ...]
    licence: str = ""
    author: str = ""
    zipped: str = ""
    fewest_pixels: int = 300_000


_WALLPAPERS = "usr/share/wallpapers"
_BACKGROUNDS = "usr/share/backgrounds"
_PLASMA_PHOTOS = (
    "BytheWater",
    "ColdRipple",
    "ColorfulCups",
    "DarkestHour",
    "EveningGlow",
    "FallenLeaf",
    "Grey",
    "Kite",
)
_PLASMA_MORE_PHOTOS = ("OneStandsOut", "Path", "summer_1am")
_HANDBOOK_LANGUAGES = ("en-US", "ja-JP", "ko-KR", "ru-RU", "zh-CN")
RULES = (
    Rule(
        "plasma-workspace-wallpapers",
        "photos/plasma",
        _WALLPAPERS,
        tuple(f"{name}/contents/images/*" for name in (*_PLASMA_PHOTOS, *_PLASMA_MORE_PHOTOS)),
    ),
    Rule("plasma-workspace-wallpapers", "screens/plasma", _WALLPAPERS, ("*/contents/images*/5120x2880.*",)),
    Rule("mate-backgrounds", "photos/mate", f"{_BACKGROUNDS}/mate", ("nature/*",)),
    Rule("mate-backgrounds", "screens/mate", f"{_BACKGROUNDS}/mate", ("desktop/*", "abstract/*")),
    Rule("lomiri-wallpapers-16.04", "photos/lomiri", _BACKGROUNDS, ("*_by_*.jpg",)),
    Rule("lomiri-wallpapers-20.04", "photos/lomiri", _BACKGROUNDS, ("Kleiber_*.jpg", "Infinite-Sea_*.jpg")),
    Rule("lomiri-wallpapers-20.04", "screens/lomiri", _BACKGROUNDS, ("Fossa_*.jpg", "Painting-Colors_*.jpg")),
    Rule("ukui-wallpapers", "screens/ukui", _BACKGROUNDS, ("*",)),
    # The package's AUTHORS file names these; the others are of unclear origin.
    Rule(
        "gnome-backgrounds",
        "screens/gnome",
        f"{_BACKGROUNDS}/gnome",
        ("adwaita-*.webp", "grid-*.webp", "pixels-*.webp", "symbolic-*.webp", "wood-*.webp"),
        "CC-BY-SA-3.0",
        "Jakub Steiner",
    ),
    Rule("gnucash-docs", "screens/gnucash", "usr/share/help", ("C/*/figures/*", "ja/*/figures/*")),
    # Said on the first page of each manual.
    Rule(
        "kicad-doc-en",
        "screens/kicad",
        "usr/share/doc/kicad/help/en",
        ("**/*.png",),
        "GPL-3.0+ or CC-BY-3.0+",
        "KiCad documentation authors",
    ),
    # Said at the foot of every page.
    Rule(
        "qtcreator-doc",
        "screens/qtcreator",
        "usr/share/qtcreator/doc/qtcreator",
        ("images/**/*",),
        "GFDL-1.3",
        "The Qt Company and contributors",
    ),
    # Said in the copyright file of gimp-help-common.
    Rule(
        "gimp-help-en",
        "screens/gimp",
        "usr/share/gimp/2.0/help/en/images",
        ("**/*.png", "**/*.jpg"),
        "GFDL-NIV-1.2+",
        "The GIMP Documentation Team",
    ),
    Rule(
        "debian-handbook",
        "screens/handbook",
        "usr/share/doc/debian-handbook/html",
        tuple(f"{language}/images/*" for language in _HANDBOOK_LANGUAGES),
    ),
    # Said for all files in the package's copyright file.
    Rule(
        "0ad-data",
        "textures/0ad",
        "usr/share/games/0ad/mods/public",
        ("art/textures/terrain/types/*",),
        "CC-BY-SA-3.0",
        "Wildfire Games",
        zipped="public.zip",
        fewest_pixels=512 * 512,
    ),
)


@dataclass(frozen=True)
class Collected:
    """What one rule brought: pictures taken, and left out as too small, as near-duplicates, for their licence."""

    rule: Rule
    taken: int
    small: int
    repeated: int
    refused: int


@dataclass(frozen=True)
class Statement:
    """A paragraph of a package's copyright file: file patterns, licence and author."""

    patterns: tuple[str, ...]
    licence: str
    author: str


def collect(
    target: Path, packages: Path, accepted: Sequence[str] = ACCEPTED, rules: Sequence[Rule] = RULES
) -> Iterator[Collected]:
    """Fills the content folder ``target`` by the rules and writes its manifest last.

    Args:
        target: the content folder; pictures that are there already stay as they are.
        packages: where the downloaded packages are kept; those found there are not downloaded again.
        accepted: licence families to take.
        rules: what to take.

    Raises:
        DataError: a package cannot be downloaded or unpacked.
        OutputError: the folder cannot be written.
    """
    sources: list[Source] = []
    try:
        target.mkdir(parents=True, exist_ok=True)
        packages.mkdir(parents=True, exist_ok=True)
        for rule in rules:
            archive = fetch_package(rule.package, packages)
            with tempfile.TemporaryDirectory(dir=packages) as unpacked:
                _run(["dpkg", "-x", str(archive), unpacked], f"The package {archive} cannot be unpacked; delete it")
                found, report = _apply(rule, Path(unpacked), target, _version(archive), accepted)
            sources += found
            yield report
    except OSError as error:
        raise OutputError(f"{target} cannot be written ({error.strerror or error}); choose another folder.") from error
    write_manifest(sources, target / FOLDER_MANIFEST)


def fetch_package(name: str, packages: Path) -> Path:
    """The package's archive, downloaded where it is not there yet.

    Raises:
        DataError: there is no such package, no network, or this is no Debian system.
    """
    present = sorted(packages.glob(f"{name}_*.deb"))
    if not present:
        _run(["apt-get", "download", "-q", name], f"The package {name} cannot be downloaded", packages)
        present = sorted(packages.glob(f"{name}_*.deb"))
    return present[-1]


def _run(command: list[str], failure: str, folder: Path | None = None) -> None:
    try:
        subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
    except FileNotFoundError as error:
        raise DataError(f"{command[0]} is missing; collect pictures on a Debian system.") from error
    except subprocess.CalledProcessError as error:
        reason = (error.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise DataError(f"{failure} and try again ({reason}).") from error


def _version(archive: Path) -> str:
    return archive.stem.split("_")[1].replace("%3a", ":")


def _apply(
    rule: Rule, unpacked: Path, target: Path, version: str, accepted: Sequence[str]
) -> tuple[list[Source], Collected]:
    """Copies the pictures of one rule as they are; returns their rows and the counts."""
    root = unpacked / rule.root
    if rule.zipped:
        found = set(unzip_textures(root / rule.zipped, rule.patterns, root))
    else:
        found = {path for pattern in rule.patterns for path in root.glob(pattern)}
    paths = sorted(path for path in found if path.suffix.lower() in PICTURE_SUFFIXES and not path.is_symlink())
    statements = read_copyright(unpacked / "usr/share/doc" / rule.package / "copyright") if not rule.licence else []
    sources: list[Source] = []
    signs: list[NDArray[np.bool_]] = []
    small = repeated = refused = 0
    for path in paths:
        licence, author = (rule.licence, rule.author) if rule.licence else _stated(path, root, statements)
        own = _signs(path, rule.fewest_pixels)
        if not is_accepted(licence, accepted):
            refused += 1
        elif own is None:
            small += 1
        elif any(int((own ^ other).sum()) <= _SAME_SIGNS for other in signs):
            repeated += 1
        else:
            signs.append(own)
            inner = path.relative_to(root).as_posix()
            origin = f"Debian package {rule.package} {version} : {rule.root}/{inner}"
            copy = _copy(path, target / rule.folder / inner)
            sources.append(Source(f"{rule.folder}/{inner}", licence, author, origin, file_sha256(copy)))
    return sources, Collected(rule, len(sources), small, repeated, refused)


def _copy(path: Path, target: Path) -> Path:
    if not target.is_file():
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(target.name + ".part")
        shutil.copyfile(path, part)
        part.replace(target)
    return target


def _signs(path: Path, fewest_pixels: int) -> NDArray[np.bool_] | None:
    """Signs of the horizontal gradient of a thumbnail; None for a picture that is too small."""
    with Image.open(path) as image:
        if min(image.size) < _SHORTEST_SIDE or image.width * image.height < fewest_pixels:
            return None
        image.draft("L", (4 * _SIDE, 4 * _SIDE))
        upright = image.convert("RGBA").convert("L")
        small = np.asarray(upright.resize((_SIDE + 1, _SIDE), Image.Resampling.BOX), np.int16)
    signs: NDArray[np.bool_] = small[:, 1:] > small[:, :-1] + 1
    return signs


def is_accepted(licence: str, accepted: Sequence[str]) -> bool:
    """Whether one of the alternatives of a licence text belongs to an accepted family, whatever its version."""
    names = {"Expat": "MIT", "GFDL-NIV": "GFDL"}
    families = [re.sub(r"[-v]*[0-9.]+\+?$", "", choice.strip()) for choice in re.split(r"\bor\b|\|", licence)]
    return any(names.get(family, family) in accepted for family in families)


def _stated(path: Path, root: Path, statements: Sequence[Statement]) -> tuple[str, str]:
    """Licence and author of a file: from the wallpaper's own ``metadata.json``, else from the copyright file."""
    for folder in path.parents:
        if folder == root:
            break
        if (folder / "metadata.json").is_file():
            plugin = json.loads((folder / "metadata.json").read_text(encoding="utf-8")).get("KPlugin", {})
            authors = ", ".join(str(author.get("Name", "")) for author in plugin.get("Authors", []))
            return str(plugin.get("License", "")), authors
    matching = [statement for statement in statements if any(_matches(path, p) for p in statement.patterns)]
    return (matching[-1].licence, matching[-1].author) if matching else ("", "")


def _matches(path: Path, pattern: str) -> bool:
    """Whether a pattern of the source tree means this installed file: by its name, as folders move on installing."""
    name = pattern.rsplit("/", 1)[-1]
    return pattern == "*" or (name != "*" and fnmatch(path.name, name))


def read_copyright(path: Path) -> list[Statement]:
    """The file paragraphs of a machine-readable Debian copyright file; none where there is no such file."""
    if not path.is_file():
        return []
    statements = []
    for paragraph in re.split(r"\n\s*\n", path.read_text(encoding="utf-8", errors="replace")):
        fields = dict(re.findall(r"^(Files|Copyright|License): *(.*(?:\n[ \t].*)*)", paragraph, re.MULTILINE))
        if "Files" in fields and "License" in fields:
            lines = _NOT_NAMES.sub("", fields.get("Copyright", "")).splitlines()
            author = ", ".join(dict.fromkeys(" ".join(line.split()).strip(" ,´") for line in lines))
            licence = fields["License"].splitlines()[0].strip()
            statements.append(Statement(tuple(fields["Files"].split()), licence, author))
    return statements
