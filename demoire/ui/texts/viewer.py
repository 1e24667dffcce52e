"""The viewer."""

from demoire.ui.texts.text import Text

TEXTS = {
    "view.whole": Text("Whole photo", "整张照片"),
    "view.whole.note": Text(
        "Scaled to fit. Scaling alone can hide moiré or create it: judge at 100 %.",
        "已缩放显示。缩放本身就可能掩盖或产生摩尔纹，请以 100 % 视图为准。",
    ),
    "view.before": Text("Before", "修复前"),
    "view.after": Text("After", "修复后"),
    "view.zoom": Text("Magnification", "放大倍数"),
    "view.zoom.note": Text(
        "100 %: one pixel of the photo is one pixel of your screen. Drag here, or drag the frame on the whole photo.",
        "100 %：照片的一个像素对应屏幕的一个像素。拖动画面，或拖动整张照片上的方框来选择位置。",
    ),
    "view.after.empty": Text(
        "The restored photo will appear here, pixel for pixel.", "修复后的照片将逐像素显示在此处。"
    ),
    "view.divider": Text("Divider between before and after", "修复前后分界线"),
    "view.frame": Text("Place shown at 100 %; arrow keys move it", "以 100 % 显示的位置；可用方向键移动"),
    "view.pane.before": Text(
        "Before, at the photo's own pixels; arrow keys move it", "修复前，原始像素；可用方向键移动"
    ),
    "view.pane.after": Text("After, at the photo's own pixels; arrow keys move it", "修复后，原始像素；可用方向键移动"),
}
