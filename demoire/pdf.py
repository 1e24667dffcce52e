"""A picture as a PDF file of one page, without loss: the PNG encoding of its pixels is what PDF calls Flate."""

import struct


def picture_pdf(png: bytes, dpi: float, title: str, icc: bytes | None = None) -> bytes:
    """One page that shows a PNG at its own size.

    Args:
        png: 8-bit RGB, not interlaced.
        dpi: pixels per inch.
        title: of the document.
        icc: the colour profile of the pixels; None: the viewer's RGB.

    Source: PDF 1.7, ISO 32000-1:2008, 7.4.4.4 (predictors), 8.6.5.5 (ICC), 8.9 (images).
    """
    pixels, width, height = _image_data(png)
    across, down = (f"{72 * side / dpi:.2f}" for side in (width, height))
    colours = b"[/ICCBased 6 0 R]" if icc else b"/DeviceRGB"
    picture = (
        f"/Type /XObject /Subtype /Image /Width {width} /Height {height} /BitsPerComponent 8 /Filter /FlateDecode "
        f"/DecodeParms << /Predictor 15 /Colors 3 /BitsPerComponent 8 /Columns {width} >> /ColorSpace "
    ).encode()
    drawing = f"q {across} 0 0 {down} 0 0 cm /Im0 Do Q".encode()
    page = f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 {across} {down}] /Contents 4 0 R ".encode()
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        page + b"/Resources << /XObject << /Im0 5 0 R >> >> >>",
        _stream(b"", drawing),
        _stream(picture + colours, pixels),
        _stream(b"/N 3", icc or b""),
        b"<< /Title <FEFF" + title.encode("utf-16-be").hex().encode() + b"> >>",
    ]
    return _file(objects)


def _image_data(png: bytes) -> tuple[bytes, int, int]:
    """The joined IDAT chunks of a PNG file, its width and its height."""
    place, data = 8, b""
    while place < len(png):
        (length,) = struct.unpack_from(">I", png, place)
        if png[place + 4 : place + 8] == b"IDAT":
            data += png[place + 8 : place + 8 + length]
        place += 12 + length
    width, height = struct.unpack_from(">II", png, 16)
    return data, width, height


def _stream(entries: bytes, data: bytes) -> bytes:
    return b"<< " + entries + f" /Length {len(data)} >>\nstream\n".encode() + data + b"\nendstream"


def _file(objects: list[bytes]) -> bytes:
    """The objects with header, cross-reference table and trailer; the first is the catalogue, the last the title."""
    data, places = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", []
    for number, content in enumerate(objects, start=1):
        places.append(len(data))
        data += f"{number} 0 obj\n".encode() + content + b"\nendobj\n"
    count = len(objects) + 1
    table = "".join(f"{place:010d} 00000 n \n" for place in places)
    trailer = f"trailer\n<< /Size {count} /Root 1 0 R /Info {count - 1} 0 R >>\nstartxref\n{len(data)}\n%%EOF\n"
    return data + f"xref\n0 {count}\n0000000000 65535 f \n{table}{trailer}".encode()
