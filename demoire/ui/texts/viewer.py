"""The viewer, and what its panes are called."""

from demoire.ui.texts.text import Text

TEXTS = {
    "viewer.name": Text("Comparison", "对比"),
    "viewer.modes": Text("How to compare", "对比方式"),
    "viewer.mode.side": Text("Side by side", "并排"),
    "viewer.mode.split": Text("Split", "分割"),
    "viewer.mode.blink": Text("Blink", "交替"),
    "viewer.mode.difference": Text("Difference", "差异"),
    "viewer.a": Text("First picture", "第一幅"),
    "viewer.b": Text("Second picture", "第二幅"),
    "viewer.gain": Text("Amplification of the difference", "差异放大倍数"),
    "viewer.signed": Text("Signed", "带正负"),
    "viewer.blink": Text("in turn; space turns by hand", "交替显示；空格键手动切换"),
    "viewer.zoom": Text("Magnification", "缩放"),
    "viewer.zoom.type": Text("Magnification in percent, 25 to 1600", "缩放百分比，25 至 1600"),
    "viewer.zoom.in": Text("Larger", "放大"),
    "viewer.zoom.out": Text("Smaller", "缩小"),
    "viewer.zoom.fit": Text("Fit", "适应"),
    "viewer.try": Text("Try a part", "局部试用"),
    "viewer.try.hint": Text(
        "Draw a rectangle on the photo: all ticked models restore it at once. Enter takes the visible part, Esc ends.",
        "在照片上画一个矩形，所有勾选的模型会立即修复该区域。回车键选取当前可见部分，Esc 退出。",
    ),
    "viewer.full": Text("Full screen", "全屏"),
    "viewer.panes": Text("Pictures shown", "显示的画面"),
    "viewer.chip": Text("Click: show or hide. Drag: change the order.", "点击：显示或隐藏。拖动：调整次序。"),
    "viewer.moved": Text("{name}: place {place} of {count}", "{name}：第 {place} 位，共 {count} 幅"),
    "viewer.stage": Text(
        "Pictures, moved and magnified together; keys are listed below", "画面同步移动和缩放；按键说明见下方"
    ),
    "viewer.note.actual": Text(
        "100 %: one pixel of the photo is one pixel of your screen.", "100 %：照片的一个像素对应屏幕的一个像素。"
    ),
    "viewer.note.larger": Text("{percent}: every pixel enlarged, none smoothed.", "{percent}：逐像素放大，未经平滑。"),
    "viewer.note.smaller": Text(
        "{percent}: scaled down. Scaling alone can hide moiré or create it; judge at 100 %.",
        "{percent}：已缩小显示。缩放本身就可能掩盖或产生摩尔纹，请以 100 % 为准。",
    ),
    "viewer.keys": Text("Keys", "快捷键"),
    "viewer.keys.list": Text(
        "Arrows move (Shift: far), + and − zoom, 0 fits, 1 is 100 %. 2 to 9 choose the picture with that number, in "
        "the order in which they came; the photo itself has none. S splits, B blinks (space: by hand), D shows the "
        "difference, M marks moiré, P judges patches, F fills the screen. On a picture's name above, Shift and an "
        "arrow move it among the others.",
        "方向键移动（按住 Shift 移动更远），+ 和 − 缩放，0 适合窗口，1 为 100 %。"
        "2 至 9 选择相应编号的画面，编号按出现的先后，原图没有编号。S 分割，B 交替（空格键手动切换），D 差异，"
        "M 标出摩尔纹，P 逐块评价，F 全屏。"
        "焦点在上方的画面名称时，按 Shift 和方向键可调整其次序。",
    ),
    "viewer.keys.touch": Text(
        "Touch: two fingers move and zoom, one moves sideways and scrolls the page; in full screen one does it all.",
        "触屏：双指移动和缩放；单指左右移动画面、上下滚动页面；全屏时单指即可移动。",
    ),
    "viewer.divider": Text("Divider between the two pictures", "两幅画面的分界线"),
    # Panes
    "pane.original": Text("Original", "原图"),
    "pane.result": Text("Result", "结果"),
    "pane.reference": Text("Reference", "参考图"),
    "pane.capture": Text("Capture", "拍摄图"),
    "pane.target": Text("Target", "目标图"),
    "pane.mask": Text("Moiré", "摩尔纹"),
    "pane.difference": Text("Difference", "差异"),
    "pane.part": Text("part", "局部"),
    "pane.tile": Text("tiles {side}", "图块 {side}"),
    "pane.photos": Text("of {photos} photos", "由 {photos} 张照片合成"),
    "pane.one_photo": Text(
        "one frame: as the CNN; add 2–10 photos for more", "仅一张：与 CNN 相同；添加 2–10 张照片效果更好"
    ),
    "pane.failed": Text("failed", "失败"),
    "pane.earlier": Text("Show {name} earlier", "将 {name} 前移一位"),
    "pane.later": Text("Show {name} later", "将 {name} 后移一位"),
    "pane.cancelled": Text("not finished", "未完成"),
    "pane.whole": Text("Whole photo", "处理整张"),
    "pane.take": Text("Download", "下载"),
    "pane.take.label": Text("Download {name}", "下载 {name}"),
    # Figures against a reference
    "figure.raw": Text("PSNR {value} dB", "PSNR {value} dB"),
    "figure.fitted": Text("fitted {value} dB", "校正后 {value} dB"),
    "figure.ssim": Text("SSIM {value}", "SSIM {value}"),
    "figure.bands_left": Text("bands {value}", "残余条纹 {value}"),
}
