"""Bringing in a photo."""

from demoire.ui.texts.text import Text

TEXTS = {
    "intake.drop": Text("Drop a photo of a screen here", "将屏幕照片拖放到此处"),
    "intake.touch": Text("A photo of a screen, please", "请选择一张屏幕照片"),
    "intake.or": Text("or paste it, or", "也可以直接粘贴，或者"),
    "intake.choose": Text("Choose a photo", "选择照片"),
    "intake.camera": Text("Take a photo", "拍照"),
    "intake.another": Text("Other photos", "换照片"),
    "intake.kinds": Text(
        "JPEG, PNG, WebP, TIFF, HEIC, AVIF, BMP or GIF; up to {megapixels} megapixels and {megabytes} MB.",
        "支持 JPEG、PNG、WebP、TIFF、HEIC、AVIF、BMP、GIF；最大 {megapixels} 百万像素、{megabytes} MB。",
    ),
    "intake.examples": Text("No photo at hand? Take one of these:", "手边没有照片？试试这些："),
    "intake.release": Text("Let go to open the photo", "松开即可打开照片"),
    "intake.photo": Text("{width} × {height} · {kind}", "{width} × {height} · {kind}"),
    "burst.offer": Text(
        "A burst: the RNN makes one better photo of these {count}, the one shown",
        "连拍：由 RNN 用这 {count} 张照片改善当前这一张",
    ),
    "reference.add": Text("Add the true picture", "添加真实画面"),
    "reference.why": Text(
        "What the screen showed, such as a screenshot: gives figures and a picture to compare with.",
        "屏幕实际显示的内容（如截图），用于计算指标并作对比。",
    ),
    "reference.at_hand": Text("True picture: {name}", "真实画面：{name}"),
    "reference.remove": Text("Remove", "移除"),
    "taste.divider": Text("Divider between before and after", "修复前后分界线"),
    "taste.before": Text("Before", "修复前"),
    "taste.after": Text("After", "修复后"),
    "taste.caption": Text(
        "An example as the CNN restores it, at its own pixels. Drag the divider.",
        "由 CNN 修复的示例，以原始像素显示。可拖动分界线。",
    ),
    "example.sheet": Text("Squared paper on a screen", "屏幕上的方格纸"),
    "example.ticket": Text("Ticket on a screen", "屏幕上的车票"),
    "example.clean": Text("No moiré: stays as it is", "没有摩尔纹：保持原样"),
}
