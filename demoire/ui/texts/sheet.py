"""The comparison sheet."""

from demoire.ui.texts.text import Text

TEXTS = {
    "sheet.title": Text("Moiré removal compared", "去摩尔纹效果对比"),
    "sheet.photo": Text("{name} · {width} × {height} pixels", "{name} · {width} × {height} 像素"),
    "sheet.original": Text("Original", "原图"),
    "sheet.reference": Text("Reference", "参考图"),
    "sheet.reference.fitted": Text("the screen's true content, brought onto the photo", "屏幕真实内容，已对齐到照片"),
    "sheet.overview": Text("Whole photo, scaled", "整张照片（已缩放）"),
    "sheet.model": Text("{model} · {weights}", "{model} · {weights}"),
    "sheet.revision": Text("revision {revision}", "版本 {revision}"),
    "sheet.hash": Text("weights SHA-256 {hash}", "权重 SHA-256 {hash}"),
    "sheet.run": Text(
        "{device}, {dtype}, tiles: {tiles}, {seconds} s", "{device}，{dtype}，图块 {tiles}，用时 {seconds} 秒"
    ),
    "sheet.moire.none": Text("No moiré found", "未发现摩尔纹"),
    "sheet.raw": Text("PSNR dB", "PSNR dB"),
    "sheet.fitted": Text("PSNR fitted", "PSNR 拟合后"),
    "sheet.ssim": Text("SSIM fitted", "SSIM 拟合后"),
    "sheet.bands": Text("bands left", "残余条纹"),
    "sheet.crop": Text(
        "Crop {number} at 100 %: {width} × {height} pixels, {left} from the left, {top} from the top",
        "局部 {number}（100 %）：{width} × {height} 像素，距左 {left}，距上 {top}",
    ),
    "sheet.note.view": Text(
        "In the crops one pixel of the picture is one pixel of this sheet: look at it at 100 %. "
        "Scaling alone creates moiré, or hides it.",
        "局部图中，图片的一个像素就是本页的一个像素，请以 100 % 查看。缩放本身就会产生或掩盖摩尔纹。",
    ),
    "sheet.note.crops": Text(
        "Crops: where the models changed the most structure.", "局部的选取：模型改动结构最多的位置。"
    ),
    "sheet.note.figures": Text(
        "PSNR in dB against the reference, as the picture is and after a smooth fit of its colour and tone; SSIM after "
        "that fit; bands left: what flat areas show beside the reference, RMS in 1/255, lower is better.",
        "PSNR（dB）以参考图为准，分别为原样及经平滑的颜色与色调拟合之后；SSIM 为拟合后；"
        "残余条纹：平坦区域中参考图之外的起伏，均方根，单位 1/255，越低越好。",
    ),
    "sheet.made": Text("Demoire {version}, made on {date}", "Demoire {version}，制作于 {date}"),
}
