"""Pictures in and out: identity for every lossless kind, orientation, metadata, notices, and files that are none."""

import io
import struct
import threading
import zlib
from dataclasses import replace
from pathlib import Path

import imagecodecs
import numpy as np
import pillow_heif
import pytest
import tifffile
from PIL import Image, ImageCms, ImageOps, PngImagePlugin

from demoire.errors import DemoireError, OutputError, PictureError, PictureTooLargeError, UnknownNameError
from demoire.images import Limits, Picture, decode, encode, kind_of_suffix, output_kind, output_name
from demoire.metadata import parse_exif

RNG = np.random.default_rng(1)
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
P3_LIKE = SRGB.replace(b"sRGB", b"P3ish")  # another description, so that it is told apart from a profile made here
XMP = (
    b'<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF '
    b'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description xmlns:dc="http://purl.org/dc/elements/'
    b'1.1/" xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="1" dc:title="\xe7\x85\xa7\xe7\x89\x87"/>'
    b'</rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
)


def samples(height: int, width: int, channels: int = 3, dtype: type = np.uint8) -> np.ndarray:
    return RNG.integers(0, np.iinfo(dtype).max + 1, (height, width, channels)).astype(dtype)


def exif_block(orientation: int | None = None) -> bytes:
    exif = Image.Exif()
    exif[0x010F], exif[0x0132] = "Camera", "2024:05:06 07:08:09"
    if orientation:
        exif[0x0112] = orientation
    exif.get_ifd(0x8769).update({0x9003: "2024:05:06 07:08:09", 0x829A: (1, 30), 0xA002: 24, 0xA003: 16})
    exif.get_ifd(0x8825).update({1: "N", 2: (52.0, 30.0, 0.0)})
    return exif.tobytes().removeprefix(b"Exif\0\0")


def tags(block: bytes | None) -> tuple[dict[int, object], dict[int, object], dict[int, object]]:
    assert block is not None
    exif = parse_exif(block)
    plain = {tag: value for tag, value in exif.items() if tag not in (0x8769, 0x8825)}
    return plain, dict(exif.get_ifd(0x8769)), dict(exif.get_ifd(0x8825))


def codes(notices: tuple) -> list[str]:
    return [notice.code for notice in notices]


LOSSLESS = [
    ("png", np.uint8, False, False),
    ("png", np.uint8, True, False),
    ("png", np.uint8, False, True),
    ("png", np.uint8, True, True),
    ("png", np.uint16, False, False),
    ("png", np.uint16, True, False),
    ("png", np.uint16, False, True),
    ("png", np.uint16, True, True),
    ("tiff", np.uint8, False, False),
    ("tiff", np.uint8, True, False),
    ("tiff", np.uint8, False, True),
    ("tiff", np.uint16, False, False),
    ("tiff", np.uint16, True, False),
    ("tiff", np.uint16, False, True),
    ("webp", np.uint8, False, False),
    ("webp", np.uint8, True, False),
    ("bmp", np.uint8, False, False),
    ("bmp", np.uint8, False, True),
]


@pytest.mark.parametrize(("kind", "dtype", "alpha", "grey"), LOSSLESS)
@pytest.mark.parametrize("size", [(1, 1), (17, 31)])
def test_identity_round_trip_is_exact(
    tmp_path: Path, kind: str, dtype: type, alpha: bool, grey: bool, size: tuple[int, int]
) -> None:
    colour = samples(*size, 1 if grey else 3, dtype)
    picture = Picture(
        pixels=np.repeat(colour, 3, axis=2) if grey else colour,
        alpha=samples(*size, 1, dtype)[..., 0] if alpha else None,
        grey=grey,
        icc=P3_LIKE if kind != "bmp" and not grey else None,
        exif=exif_block(1) if kind != "bmp" else None,
        xmp=XMP if kind != "bmp" else None,
        dpi=(300.0, 150.0) if kind != "webp" else None,
    )
    path = tmp_path / "picture"
    assert encode(picture, path, kind) == ()
    back = decode(path)
    assert back.pixels.dtype == dtype
    assert np.array_equal(back.pixels, picture.pixels)
    assert (back.alpha is None) == (not alpha)
    assert picture.alpha is None or np.array_equal(back.alpha, picture.alpha)
    assert (back.kind, back.grey, back.icc, back.notices) == (kind, grey, picture.icc, ())
    assert back.xmp == picture.xmp
    assert back.lossless and output_kind(back) == kind
    if picture.dpi:
        assert back.dpi == pytest.approx(picture.dpi, abs=0.02)
    if picture.exif:
        assert tags(back.exif)[1:] == tags(picture.exif)[1:]
        assert tags(back.exif)[0][0x010F] == "Camera"
    encode(back, tmp_path / "again", kind)
    assert np.array_equal(decode(tmp_path / "again").pixels, picture.pixels)
    assert list(tmp_path.glob(".demoire*")) == []


@pytest.mark.parametrize("kind", ["png", "tiff"])
def test_sixteen_bit_files_are_read_by_another_library_too(tmp_path: Path, kind: str) -> None:
    picture = Picture(samples(9, 7, 3, np.uint16), samples(9, 7, 1, np.uint16)[..., 0], icc=SRGB, exif=exif_block())
    path = tmp_path / "x"
    encode(picture, path, kind)
    other = imagecodecs.png_decode(path.read_bytes()) if kind == "png" else tifffile.imread(path)
    assert np.array_equal(other, np.dstack([picture.pixels, picture.alpha]))
    with Image.open(path) as image:
        assert image.info["icc_profile"] == SRGB
        assert image.getexif().get_ifd(0x8769)[0x829A] in (1 / 30, (1, 30))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "TIFF16", "PNG16"])
def test_orientation_is_applied_once(tmp_path: Path, orientation: int, kind: str) -> None:
    flat = np.zeros((16, 24, 3), np.uint8)
    flat[:8, :8] = (250, 10, 10)
    flat[8:, 16:] = (10, 250, 10)
    path, block = tmp_path / "x", exif_block(orientation)
    stored = Image.fromarray(flat)
    if kind == "TIFF16":
        tifffile.imwrite(
            path, flat.astype(np.uint16) * 257, photometric="rgb", extratags=[(274, 3, 1, orientation, True)]
        )
    elif kind == "PNG16":
        encode(Picture(flat.astype(np.uint16) * 257, exif=block), path, "png")
    elif kind == "TIFF":
        stored.save(path, kind, exif=parse_exif(block))
    else:
        stored.save(path, kind, exif=b"Exif\0\0" + block, lossless=True, quality=95, subsampling=0)
    stored.getexif()[0x0112] = orientation
    expected = np.asarray(ImageOps.exif_transpose(stored)).astype(int)
    picture = decode(path)
    shown = picture.pixels.astype(int) // (257 if picture.bits == 16 else 1)
    assert shown.shape == expected.shape
    assert np.abs(shown - expected).max() <= (40 if kind == "JPEG" else 0)
    if kind != "TIFF16":
        plain, details, _ = tags(picture.exif)
        assert plain.get(0x0112, 1) == 1
        assert (details[0xA002], details[0xA003]) == ((16, 24) if orientation >= 5 else (24, 16))
    encode(picture, tmp_path / "out", "png")
    assert np.array_equal(decode(tmp_path / "out").pixels, picture.pixels)


def test_jpeg_is_written_at_quality_95_without_subsampling_and_keeps_metadata(tmp_path: Path) -> None:
    picture = Picture(samples(32, 48), icc=P3_LIKE, exif=exif_block(), dpi=(72.0, 96.0), kind="jpeg")
    assert encode(picture, tmp_path / "x.jpg", "jpeg") == ()
    with Image.open(tmp_path / "x.jpg") as image:
        assert image.layer == [(component, 1, 1, table) for component, _, _, table in image.layer]  # type: ignore[attr-defined]
        reference = io.BytesIO()
        Image.fromarray(picture.pixels).save(reference, "JPEG", quality=95, subsampling=0)
        assert image.quantization == Image.open(reference).quantization  # type: ignore[attr-defined]
    back = decode(tmp_path / "x.jpg")
    assert (back.icc, back.dpi, back.kind, output_kind(back)) == (P3_LIKE, (72.0, 96.0), "jpeg", "jpeg")
    assert tags(back.exif) == tags(picture.exif)


def test_grey_jpeg_stays_grey(tmp_path: Path) -> None:
    Image.fromarray(samples(16, 16, 1)[..., 0]).save(tmp_path / "g.jpg")
    picture = decode(tmp_path / "g.jpg")
    assert picture.grey and np.array_equal(picture.pixels[..., 0], picture.pixels[..., 2])
    encode(picture, tmp_path / "h.jpg", "jpeg")
    with Image.open(tmp_path / "h.jpg") as image:
        assert image.mode == "L"


def test_exif_thumbnail_is_dropped_and_the_rest_untouched(tmp_path: Path) -> None:
    thumbnail = io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(thumbnail, "JPEG")
    make = struct.pack("<HHI4s", 0x010F, 2, 4, b"Cam\0")
    ifd0 = struct.pack("<H", 1) + make + struct.pack("<I", 26)
    data = thumbnail.getvalue()
    ifd1 = struct.pack("<H", 2) + struct.pack("<HHII", 0x0201, 4, 1, 56) + struct.pack("<HHII", 0x0202, 4, 1, len(data))
    block = b"II*\0\x08\0\0\0" + ifd0 + ifd1 + struct.pack("<I", 0) + data
    Image.new("RGB", (16, 16)).save(tmp_path / "t.jpg", exif=b"Exif\0\0" + block)
    exif = decode(tmp_path / "t.jpg").exif
    assert exif is not None and data not in exif
    assert tags(exif)[0] == {0x010F: "Cam"}


def test_exif_without_orientation_comes_back_byte_for_byte(tmp_path: Path) -> None:
    block = exif_block()
    Image.new("RGB", (16, 16)).save(tmp_path / "t.jpg", exif=b"Exif\0\0" + block)
    assert decode(tmp_path / "t.jpg").exif == block


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("block", [b"garbage", b"II*\0\xff\xff\xff\xff", b"II*\0\x08\0\0\0\xff\xff\0\0"])
def test_broken_exif_and_profile_are_left_out_and_said(tmp_path: Path, kind: str, block: bytes) -> None:
    pixels = samples(16, 16)
    Image.fromarray(pixels).save(
        tmp_path / "b", kind, exif=b"Exif\0\0" + block, icc_profile=b"not a profile" * 20, lossless=True
    )
    picture = decode(tmp_path / "b")
    assert picture.exif is None and picture.icc is None
    assert codes(picture.notices) == ["exif_dropped", "icc_dropped"]
    assert kind == "JPEG" or np.array_equal(picture.pixels, pixels)


def test_xmp_comes_back_from_every_kind_upright(tmp_path: Path) -> None:
    turned = XMP.replace(b'tiff:Orientation="1"', b'tiff:Orientation="6"')
    image = Image.fromarray(samples(16, 24))
    exif = Image.Exif()
    exif[0x0112] = 6
    for kind in ("JPEG", "WEBP", "AVIF"):
        image.save(tmp_path / kind, kind, xmp=turned, exif=exif)
    text = PngImagePlugin.PngInfo()
    text.add_itxt("XML:com.adobe.xmp", turned.decode(), zip=True)
    image.save(tmp_path / "PNG", "PNG", pnginfo=text)
    heif = pillow_heif.from_pillow(image)
    heif.info["xmp"] = turned
    heif.save(tmp_path / "HEIC")
    element = turned.replace(b' tiff:Orientation="6"', b"><tiff:Orientation>6</tiff:Orientation", 1)
    tifffile.imwrite(tmp_path / "TIFF", samples(4, 4), extratags=[(700, 1, len(element), element, True)])
    for kind in ("JPEG", "WEBP", "AVIF", "PNG", "HEIC", "TIFF"):
        picture = decode(tmp_path / kind)
        upright = {"TIFF": element.replace(b">6<", b">1<"), "HEIC": XMP.replace(b'tiff:Orientation="1"', b"")}
        back = upright.get(kind, XMP)
        assert (picture.xmp, picture.notices) == (back, ()), kind
        encode(picture, tmp_path / "out", output_kind(picture))
        assert decode(tmp_path / "out").xmp == back
    with Image.open(tmp_path / "PNG") as theirs:
        encode(decode(tmp_path / "PNG"), tmp_path / "out", "png")
        assert Image.open(tmp_path / "out").info["xmp"] == XMP and theirs.info["xmp"] == turned


@pytest.mark.parametrize(
    "packet",
    [
        b"no packet",
        "\ufeff".encode("utf-16") + XMP.decode().encode("utf-16"),
        XMP.replace(b"dc:title", b"GCamera:MotionPhoto"),
        XMP.replace(b"dc:title", b"hdrgm:Version"),
    ],
)
def test_xmp_that_is_damaged_or_tells_of_other_parts_is_left_out_and_said(tmp_path: Path, packet: bytes) -> None:
    Image.fromarray(samples(8, 8)).save(tmp_path / "a.jpg", xmp=packet)
    picture = decode(tmp_path / "a.jpg")
    assert picture.xmp is None and codes(picture.notices) == ["xmp_dropped"]


def test_captions_and_comments_are_left_out_and_said(tmp_path: Path) -> None:
    image = Image.fromarray(samples(8, 8))
    image.save(tmp_path / "comment.jpg", comment=b"hello")
    resource = b"8BIM\x04\x04\0\0" + struct.pack(">I", 8) + b"\x1c\x02\x78\0\x03abc"
    iptc = b"Photoshop 3.0\0" + resource
    image.save(tmp_path / "iptc.jpg", extra=b"\xff\xed" + struct.pack(">H", len(iptc) + 2) + iptc)
    text = PngImagePlugin.PngInfo()
    text.add_text("Description", "a page")
    image.save(tmp_path / "text.png", pnginfo=text)
    encode(Picture(samples(8, 8, 3, np.uint16)), tmp_path / "plain16.png", "png")
    tifffile.imwrite(tmp_path / "iptc.tif", samples(4, 4), extratags=[(0x83BB, 7, 8, resource[-8:], True)])
    image.convert("P").save(tmp_path / "comment.gif", comment=b"hello")
    for name in ("comment.jpg", "iptc.jpg", "text.png", "iptc.tif", "comment.gif"):
        assert codes(decode(tmp_path / name).notices)[-1] == "notes_dropped", name
    assert decode(tmp_path / "plain16.png").notices == ()


@pytest.mark.parametrize(("points", "said"), [((9, 16, 0, 1), ["hdr"]), ((1, 13, 0, 1), []), ((), [])])
def test_wide_colours_of_a_png_are_said(tmp_path: Path, points: tuple[int, ...], said: list[str]) -> None:
    encode(Picture(samples(4, 4)), tmp_path / "a.png", "png")
    data, chunk = (tmp_path / "a.png").read_bytes(), b"cICP" + bytes(points)
    chunk = struct.pack(">I", len(points)) + chunk + struct.pack(">I", zlib.crc32(chunk))
    (tmp_path / "a.png").write_bytes(data[:33] + chunk + data[33:])
    assert codes(decode(tmp_path / "a.png").notices) == said


def test_palette_grey_levels_and_hidden_colours(tmp_path: Path) -> None:
    colours = samples(4, 4).reshape(16, 3)
    index = RNG.integers(0, 16, (9, 9)).astype(np.uint8)
    image = Image.fromarray(index, "P")
    image.putpalette(colours.tobytes())
    image.save(tmp_path / "p.png", transparency=3)
    picture = decode(tmp_path / "p.png")
    assert np.array_equal(picture.pixels, colours[index])
    assert picture.alpha is not None and np.array_equal(picture.alpha == 0, index == 3)
    assert codes(picture.notices) == ["palette"] and output_kind(picture) == "png"
    Image.fromarray(index > 7).save(tmp_path / "one.png")
    assert codes(decode(tmp_path / "one.png").notices) == ["bilevel"]
    hidden = np.dstack([samples(5, 5), np.zeros((5, 5), np.uint8)])
    Image.fromarray(hidden).save(tmp_path / "hidden.png")
    assert np.array_equal(decode(tmp_path / "hidden.png").pixels, hidden[..., :3])


def test_transparent_colour_of_a_16_bit_png_becomes_alpha(tmp_path: Path) -> None:
    pixels = samples(3, 3, 3, np.uint16)
    data = imagecodecs.png_encode(pixels)
    body = b"tRNS" + struct.pack(">HHH", *pixels[1, 1].tolist())
    chunk = struct.pack(">I", 6) + body + struct.pack(">I", zlib.crc32(body))
    (tmp_path / "t.png").write_bytes(data[:33] + chunk + data[33:])
    picture = decode(tmp_path / "t.png")
    assert picture.alpha is not None and np.array_equal(picture.pixels, pixels)
    assert (picture.alpha == 0).sum() == 1 and picture.alpha[1, 1] == 0


def test_cmyk_and_lab_become_rgb_and_are_said(tmp_path: Path) -> None:
    Image.new("CMYK", (8, 8), (0, 255, 255, 0)).save(tmp_path / "c.tif")
    picture = decode(tmp_path / "c.tif")
    assert codes(picture.notices) == ["cmyk"]
    assert np.abs(picture.pixels[0, 0].astype(int) - (255, 0, 0)).max() <= 2
    Image.new("CMYK", (8, 8), (0, 0, 0, 0)).save(tmp_path / "c.jpg", quality=95)
    assert decode(tmp_path / "c.jpg").pixels.min() >= 253
    lab = ImageCms.profileToProfile(
        Image.new("RGB", (8, 8), (200, 60, 40)),
        ImageCms.createProfile("sRGB"),
        ImageCms.createProfile("LAB"),
        outputMode="LAB",
    )
    assert lab is not None
    lab.save(tmp_path / "l.tif")
    picture = decode(tmp_path / "l.tif")
    assert codes(picture.notices) == ["lab"]
    assert np.abs(picture.pixels[0, 0].astype(int) - (200, 60, 40)).max() <= 3


@pytest.mark.parametrize("suffix", ["gif", "webp", "png", "tif"])
def test_first_frame_of_several_is_taken_and_said(tmp_path: Path, suffix: str) -> None:
    frames = [Image.new("RGB", (20, 10), colour) for colour in ("red", "blue")]
    frames[0].save(tmp_path / f"a.{suffix}", save_all=True, append_images=frames[1:], lossless=True, duration=100)
    picture = decode(tmp_path / f"a.{suffix}")
    assert "first_frame" in codes(picture.notices)
    assert picture.pixels[5, 5].tolist() == [255, 0, 0]


@pytest.mark.parametrize(("bits", "dtype"), [(8, np.uint8), (10, np.uint16)])
def test_heic_keeps_profile_depth_and_orientation_and_comes_back_as_png(tmp_path: Path, bits: int, dtype: type) -> None:
    ramp = np.linspace(0, np.iinfo(dtype).max, 64).astype(dtype)
    pixels = np.repeat(np.repeat(ramp[None, :, None], 48, 0), 3, 2)
    mode = "RGB" if bits == 8 else "RGB;16"
    image = pillow_heif.from_bytes(mode=mode, size=(64, 48), data=pixels.tobytes())
    image.info["icc_profile"], image.info["exif"] = P3_LIKE, b"Exif\0\0" + exif_block(6)
    image.save(tmp_path / "x.heic", quality=-1, chroma=444)
    picture = decode(tmp_path / "x.heic")
    assert (picture.kind, picture.icc, output_kind(picture)) == ("heic", P3_LIKE, "png")
    assert picture.pixels.dtype == dtype and picture.pixels.shape == (64, 48, 3)
    assert tags(picture.exif)[0].get(0x0112, 1) == 1
    level = picture.pixels[:, 20, 1].astype(float) / np.iinfo(dtype).max
    assert level[0] == pytest.approx(0, abs=0.02) and level[-1] == pytest.approx(1, abs=0.02)
    assert np.abs(level - np.linspace(0, 1, 64)).max() < 0.03


@pytest.mark.parametrize(("bits", "dtype"), [(8, np.uint8), (10, np.uint16), (12, np.uint16)])
def test_avif_depth(tmp_path: Path, bits: int, dtype: type) -> None:
    values = RNG.integers(0, 1 << bits, (24, 24, 3)).astype(dtype)
    (tmp_path / "x.avif").write_bytes(imagecodecs.avif_encode(values, bitspersample=bits, level=100))
    picture = decode(tmp_path / "x.avif")
    assert picture.pixels.dtype == dtype and output_kind(picture) == "png"
    expected = values if bits == 8 else np.round(values.astype(float) * 65535 / ((1 << bits) - 1))
    assert np.array_equal(picture.pixels, expected)


def test_rotated_avif_is_turned_once(tmp_path: Path) -> None:
    flat = np.zeros((16, 24, 3), np.uint8)
    flat[:8] = 250
    Image.fromarray(flat).save(tmp_path / "x.avif", quality=95, exif=b"Exif\0\0" + exif_block(6))
    picture = decode(tmp_path / "x.avif")
    assert picture.pixels.shape == (24, 16, 3)
    assert picture.pixels[:, -1].min() > 200 and picture.pixels[:, 0].max() < 50


def test_tiff_variants_of_16_bits(tmp_path: Path) -> None:
    values = samples(12, 10, 4, np.uint16)
    cases = {
        "planar": (
            {"planarconfig": "separate", "photometric": "rgb"},
            np.moveaxis(values[..., :3], -1, 0),
            values[..., :3],
        ),
        "big endian": ({"byteorder": ">", "photometric": "rgb"}, values[..., :3].astype(">u2"), values[..., :3]),
        "white is zero": ({"photometric": "miniswhite"}, values[..., 0], 65535 - np.repeat(values[..., :1], 3, 2)),
        "unknown extra": ({"photometric": "rgb", "extrasamples": ["unspecified"]}, values, values[..., :3]),
        "lzw": ({"photometric": "rgb", "compression": "lzw", "tile": (16, 16)}, values[..., :3], values[..., :3]),
    }
    for name, (options, stored, expected) in cases.items():
        tifffile.imwrite(tmp_path / "v.tif", stored, **options)
        picture = decode(tmp_path / "v.tif")
        assert np.array_equal(picture.pixels, expected), name
        assert picture.alpha is None, name


def test_premultiplied_alpha_is_divided_out(tmp_path: Path) -> None:
    straight = np.dstack([np.full((4, 4, 3), 40000, np.uint16), np.full((4, 4), 20000, np.uint16)])
    stored = straight.copy()
    stored[..., :3] = (straight[..., :3].astype(np.uint64) * 20000 // 65535).astype(np.uint16)
    tifffile.imwrite(tmp_path / "p.tif", stored, photometric="rgb", extrasamples=["assocalpha"])
    picture = decode(tmp_path / "p.tif")
    assert codes(picture.notices) == ["premultiplied"]
    assert np.abs(picture.pixels.astype(int) - 40000).max() <= 4
    assert picture.alpha is not None and (picture.alpha == 20000).all()


@pytest.mark.parametrize("dtype", [np.float32, np.uint32])
def test_depths_that_cannot_be_kept_are_refused(tmp_path: Path, dtype: type) -> None:
    tifffile.imwrite(tmp_path / "f.tif", np.ones((4, 4), dtype))
    with pytest.raises(PictureError, match="8 or 16 bits"):
        decode(tmp_path / "f.tif")


def test_what_a_kind_cannot_keep_is_said(tmp_path: Path) -> None:
    deep = Picture(samples(4, 4, 3, np.uint16), np.zeros((4, 4), np.uint16), icc=SRGB, exif=exif_block())
    assert codes(encode(deep, tmp_path / "a.jpg", "jpeg")) == ["depth_reduced", "alpha_dropped"]
    assert decode(tmp_path / "a.jpg").pixels.min() >= 253, "transparent pixels lie on white"
    assert codes(encode(replace(deep, alpha=None), tmp_path / "a.bmp", "bmp")) == [
        "depth_reduced",
        "icc_unsupported",
        "exif_unsupported",
    ]
    assert (
        codes(encode(replace(deep, exif=b"II*\0" + bytes(70000)), tmp_path / "b.jpg", "jpeg"))[-1] == "exif_unsupported"
    )
    plain = Picture(samples(4, 4), xmp=XMP)
    assert codes(encode(plain, tmp_path / "c.bmp", "bmp")) == ["xmp_unsupported"]
    assert codes(encode(replace(plain, xmp=XMP * 200), tmp_path / "c.jpg", "jpeg")) == ["xmp_unsupported"]
    assert encode(replace(plain, xmp=XMP * 200), tmp_path / "c.png", "png") == ()


def test_output_kind(tmp_path: Path) -> None:
    small = Picture(samples(2, 2))
    lossless = {"jpeg": "jpeg", "png": "png", "tiff": "tiff", "bmp": "bmp", "webp": "webp", "gif": "png", "heic": "png"}
    assert {kind: output_kind(replace(small, kind=kind)) for kind in lossless} == lossless
    assert output_kind(replace(small, kind="webp", lossless=False)) == "png"
    assert output_kind(replace(small, kind="bmp", alpha=samples(2, 2, 1)[..., 0])) == "png"
    assert [output_kind(replace(small, kind="tiff"), choice) for choice in ("png", "jpg")] == ["png", "jpeg"]
    assert [kind_of_suffix(suffix) for suffix in (".JPG", ".tif", ".heic")] == ["jpeg", "tiff", None]
    with pytest.raises(UnknownNameError, match="did you mean 'jpg'"):
        output_kind(small, "jpq")
    Image.fromarray(samples(8, 8)).save(tmp_path / "lossy.webp", quality=90)
    assert not decode(tmp_path / "lossy.webp").lossless


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("photo.JPG", "photo_demoired.png"),
        ("我的 照片(1).heic", "我的 照片(1)_demoired.png"),
        ("../../etc/passwd", "passwd_demoired.png"),
        ("C:\\Users\\x\\a b.png", "a b_demoired.png"),
        ("..", "picture_demoired.png"),
        ("", "picture_demoired.png"),
        ("a\0b\n.png", "ab_demoired.png"),
        ("IMG.2024", "IMG.2024_demoired.png"),
        (".png", "picture_demoired.png"),
        ('we:"ird|?*.tif', "we__ird____demoired.png"),
    ],
)
def test_output_name(name: str, expected: str) -> None:
    assert output_name(name, "png") == expected


@pytest.mark.parametrize("name", ["x" * 300 + ".jpg", "照" * 300 + ".jpg"])
def test_long_names_are_cut_to_what_file_systems_take(tmp_path: Path, name: str) -> None:
    result = output_name(name, "tiff")
    assert len(result.encode()) <= 200 and result.endswith("_demoired.tif")
    encode(Picture(samples(2, 2)), tmp_path / result, "tiff")
    assert (tmp_path / result).exists()


def files_of_every_kind(folder: Path) -> dict[str, Path]:
    picture = Picture(samples(40, 60), icc=SRGB, exif=exif_block(), xmp=XMP)
    deep = replace(picture, pixels=samples(40, 60, 3, np.uint16))
    paths = {}
    for kind in ("jpeg", "png", "webp", "tiff", "bmp"):
        paths[kind] = folder / kind
        encode(picture, paths[kind], kind)
    for kind in ("png", "tiff"):
        paths[kind + "16"] = folder / (kind + "16")
        encode(deep, paths[kind + "16"], kind)
    image = Image.fromarray(picture.pixels)
    for kind in ("GIF", "AVIF"):
        paths[kind] = folder / kind
        image.save(paths[kind], kind)
    paths["heic"] = folder / "heic"
    pillow_heif.from_pillow(image).save(paths["heic"])
    return paths


def test_truncated_files_never_give_wrong_pixels(tmp_path: Path) -> None:
    for kind, path in files_of_every_kind(tmp_path).items():
        data, whole = path.read_bytes(), decode(path)
        refused = 0
        lengths = sorted({*range(1, 64, 7), *(len(data) * part // 16 for part in range(1, 16)), len(data) - 1})
        for length in lengths:
            (tmp_path / "cut").write_bytes(data[:length])
            try:
                cut = decode(tmp_path / "cut")
            except PictureError as error:
                refused += 1
                assert str(error).count("\n") == 0 and "cut" in str(error)
            else:
                assert np.array_equal(cut.pixels, whole.pixels), (kind, length, len(data))
        assert refused >= len(lengths) * 3 // 4, kind


def test_flipped_bytes_never_escape_as_other_errors(tmp_path: Path) -> None:
    generator = np.random.default_rng(5)
    opened = 0
    for path in files_of_every_kind(tmp_path).values():
        data = np.frombuffer(path.read_bytes(), np.uint8)
        for _ in range(25):
            broken = data.copy()
            place = generator.integers(0, min(len(data), 400), 6)
            broken[place] = generator.integers(0, 256, 6)
            (tmp_path / "broken").write_bytes(broken.tobytes())
            try:
                picture = decode(tmp_path / "broken", limits=Limits(max_pixels=100_000))
            except PictureError:
                continue
            opened += 1
            for kind in ("png", "tiff", "jpeg"):
                encode(picture, tmp_path / "out", kind)
    assert opened > 0, "some damage is harmless"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "is empty"),
        (b"hello, not a picture", "choose a JPEG"),
        (b"%PDF-1.7\n" + bytes(200), "choose a JPEG"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "choose a JPEG"),
        (bytes(1000), "choose a JPEG"),
    ],
)
def test_files_that_are_no_pictures(tmp_path: Path, data: bytes, words: str) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(data)
    with pytest.raises(PictureError, match=words) as caught:
        decode(path, name="我的照片.jpg")
    assert "我的照片.jpg" in str(caught.value)


def test_missing_files_and_folders(tmp_path: Path) -> None:
    for path in (tmp_path / "none.png", tmp_path, Path("\0")):
        with pytest.raises(PictureError):
            decode(path)


def test_wrong_extension_is_no_matter(tmp_path: Path) -> None:
    pixels = samples(8, 8)
    Image.fromarray(pixels).save(tmp_path / "photo.jpg", "PNG")
    picture = decode(tmp_path / "photo.jpg")
    assert picture.kind == "png" and np.array_equal(picture.pixels, pixels)


def png_header(width: int, height: int, depth: int = 8) -> bytes:
    parts = [b"IHDR" + struct.pack(">IIBBBBB", width, height, depth, 2, 0, 0, 0), b"IDAT" + zlib.compress(bytes(100))]
    chunks = (
        struct.pack(">I", len(part) - 4) + part + struct.pack(">I", zlib.crc32(part)) for part in [*parts, b"IEND"]
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


@pytest.mark.parametrize(
    ("width", "height", "depth"),
    [(60000, 60000, 8), (60000, 60000, 16), (2**31 - 1, 2**31 - 1, 8), (0, 10, 8), (10, 0, 8)],
)
def test_bombs_and_empty_pictures_are_refused_before_memory_is_taken(
    tmp_path: Path, width: int, height: int, depth: int
) -> None:
    (tmp_path / "bomb.png").write_bytes(png_header(width, height, depth))
    with pytest.raises(PictureError, match=r"bomb\.png") as caught:
        decode(tmp_path / "bomb.png")
    assert isinstance(caught.value, PictureTooLargeError) == (width > 10000)


def test_limits_are_settings(tmp_path: Path) -> None:
    encode(Picture(samples(100, 100)), tmp_path / "a.png", "png")
    before = Image.MAX_IMAGE_PIXELS
    assert decode(tmp_path / "a.png", limits=Limits(max_pixels=10_000)).height == 100
    with pytest.raises(PictureError, match=r"0\.0 megapixels"):
        decode(tmp_path / "a.png", limits=Limits(max_pixels=9_999))
    with pytest.raises(PictureTooLargeError, match="far more than"):
        decode(tmp_path / "a.png", limits=Limits(max_pixels=1_000))
    with pytest.raises(PictureError, match="MB are accepted"):
        decode(tmp_path / "a.png", limits=Limits(max_bytes=1000))
    assert before == Image.MAX_IMAGE_PIXELS
    assert Limits.from_environment({"DEMOIRE_MAX_MEGAPIXELS": "0.5"}).max_pixels == 500_000
    assert Limits.from_environment({}) == Limits()
    with pytest.raises(DemoireError, match="DEMOIRE_MAX_MEGABYTES"):
        Limits.from_environment({"DEMOIRE_MAX_MEGABYTES": "many"})


def test_unwritable_output_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    picture = Picture(samples(4, 4))
    with pytest.raises(OutputError, match="choose another folder"):
        encode(picture, tmp_path / "no folder" / "x.png", "png")
    with pytest.raises(UnknownNameError, match="did you mean 'tiff'"):
        encode(picture, tmp_path / "x", "tif")
    path = tmp_path / "x.png"
    encode(picture, path, "png")
    before = path.read_bytes()

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OutputError, match="No space left on device"):
        encode(Picture(samples(9, 9)), path, "png")
    assert path.read_bytes() == before and [item.name for item in tmp_path.iterdir()] == ["x.png"]
    with pytest.raises(OutputError, match="choose PNG"):
        encode(Picture(np.zeros((1, 70000, 3), np.uint8)), path, "jpeg")


def test_threads_do_not_disturb_each_other(tmp_path: Path) -> None:
    pictures = [Picture(samples(30, 30)) for _ in range(6)]
    for number, picture in enumerate(pictures):
        encode(picture, tmp_path / str(number), "png")
    good: list[int] = []

    def work(number: int) -> None:
        for _ in range(5):
            if np.array_equal(decode(tmp_path / str(number)).pixels, pictures[number].pixels):
                good.append(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(good) == sorted(list(range(6)) * 5)
