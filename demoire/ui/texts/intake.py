"""Bringing in a photo."""

from demoire.ui.texts.text import Text

TEXTS = {
    "intake.drop": Text("Drop a photo of a screen here", "将屏幕照片拖放到此处"),
    "intake.touch": Text("A photo of a screen, please", "请选择一张屏幕照片"),
    "intake.or": Text("or paste it, or", "也可以直接粘贴，或者"),
    "intake.choose": Text("Choose a photo", "选择照片"),
    "intake.another": Text("Another photo", "换一张照片"),
    "intake.kinds": Text(
        "JPEG, PNG, WebP, TIFF, HEIC, AVIF, BMP or GIF; up to {megapixels} megapixels and {megabytes} MB.",
        "支持 JPEG、PNG、WebP、TIFF、HEIC、AVIF、BMP、GIF；最大 {megapixels} 百万像素、{megabytes} MB。",
    ),
    "intake.examples": Text("No photo at hand? Take one of these:", "手边没有照片？试试这些："),
    "intake.release": Text("Let go to open the photo", "松开即可打开照片"),
    "intake.photo": Text("{width} × {height} · {kind}", "{width} × {height} · {kind}"),
    "example.sheet": Text("Squared paper on a screen", "屏幕上的方格纸"),
    "example.ticket": Text("Ticket on a screen", "屏幕上的车票"),
    "example.clean": Text("No moiré: stays as it is", "没有摩尔纹：保持原样"),
}
