"""The frame of the page."""

from demoire.ui.texts.text import Text

TEXTS = {
    "page.title": Text("Demoire: remove moiré from photos of screens", "Demoire：去除屏幕照片中的摩尔纹"),
    "page.tagline": Text("Takes the moiré out of photos of screens.", "去除屏幕照片中的摩尔纹。"),
    "page.lead": Text(
        "Coloured bands appear where a camera meets the pixels of a screen. Drop such a photo here, restore it, "
        "and judge the result at the photo's own pixels. Size and colours stay as they are.",
        "用相机拍摄屏幕时，画面上常会出现彩色条纹。放入这样的照片，一键修复，并以原始像素检查结果。尺寸与色彩保持不变。",
    ),
    "page.language": Text("Language", "语言"),
    "page.privacy": Text(
        "Photos stay on the computer that runs this page and are deleted within a day. Nobody else sees them, unless "
        "you share a link.",
        "照片只保存在运行本页面的计算机上，并在一天之内删除。除非您分享链接，否则不会展示给他人。",
    ),
    "tab.restore": Text("Restore", "修复"),
}
