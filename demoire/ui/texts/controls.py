"""What a visitor sets, and the buttons."""

from demoire.ui.texts.text import Text

TEXTS = {
    "family.cnn": Text("CNN", "CNN"),
    "family.rnn": Text("RNN", "RNN"),
    "family.gan": Text("GAN", "GAN"),
    "family.hub": Text("From the Hub", "来自 Hub"),
    "control.restore_all": Text("Restore all photos", "修复全部照片"),
    "control.restore": Text("Restore", "修复"),
    "control.cancel": Text("Cancel", "取消"),
    "control.settings": Text("Settings", "设置"),
    "control.tile": Text("Tile size", "图块大小"),
    "control.tile.info": Text(
        "Large photos are restored piece by piece; smaller tiles need less memory and take longer.",
        "大照片会分块修复；图块越小，占用内存越少，耗时越长。",
    ),
    "control.tile.auto": Text("Automatic", "自动"),
    "control.device": Text("Device", "设备"),
    "control.device.info": Text("Automatic takes the graphics card if there is one.", "自动：有显卡时使用显卡。"),
    "control.device.auto": Text("Automatic", "自动"),
    "control.device.cpu": Text("Processor (CPU)", "处理器（CPU）"),
    "control.device.cuda": Text("NVIDIA graphics card (CUDA)", "NVIDIA 显卡（CUDA）"),
    "control.device.mps": Text("Apple graphics (MPS)", "Apple 显卡（MPS）"),
    "control.format": Text("File type of the download", "下载文件格式"),
    "control.format.info": Text(
        "PNG keeps every pixel of the result; JPEG is smaller (quality 95, full colour resolution).",
        "PNG 保留结果的每个像素；JPEG 更小（质量 95，色彩不降采样）。",
    ),
    "control.format.auto": Text("Same as the photo", "与照片相同"),
    "control.format.png": Text("PNG", "PNG"),
    "control.format.jpg": Text("JPEG", "JPEG"),
}
