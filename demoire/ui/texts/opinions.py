"""What detector and discriminator say, in lines, on panes and on maps over the pictures."""

from demoire.ui.texts.text import Text

TEXTS = {
    "moire.looking": Text("Looking for moiré…", "正在检测摩尔纹…"),
    "moire.found": Text("Moiré: {level}, {percent} % of the picture", "摩尔纹：{level}，占画面 {percent} %"),
    "moire.none": Text("No moiré found: results will look the same.", "未发现摩尔纹：处理前后看起来会一样。"),
    "moire.failed": Text(
        "Whether there is moiré could not be told; nothing else depends on it.", "未能检测有无摩尔纹，不影响其他功能。"
    ),
    "moire.short.found": Text("{level}, {percent} %", "{level}，{percent} %"),
    "moire.short.none": Text("no moiré", "无摩尔纹"),
    "moire.level.weak": Text("weak", "弱"),
    "moire.level.medium": Text("medium", "中等"),
    "moire.level.strong": Text("strong", "强"),
    "pane.looks_clean": Text("looks like a clean photo: {percent} %", "看起来像干净的照片：{percent} %"),
    "viewer.maps": Text("Maps over the pictures", "画面上的叠加图"),
    "viewer.map.mask": Text("Show moiré", "标出摩尔纹"),
    "viewer.map.patches": Text("Judge patches", "逐块评价"),
    "viewer.legend.mask": Text("Moiré, as far as the detector sees it", "检测到的摩尔纹"),
    "viewer.legend.patches": Text(
        "How much each patch looks like a clean photo; without colour: not judged",
        "每一块看起来像干净照片的程度；无色处未评价",
    ),
}
