"""What could not be kept, by the notice's code."""

from demoire.ui.texts.text import Text

TEXTS = {
    "notice.depth_reduced": Text("The 16 bits per channel were rounded to 8.", "每通道 16 位已舍入为 8 位。"),
    "notice.alpha_dropped": Text(
        "This kind of file keeps no transparency; the picture was put on white.",
        "此格式不支持透明，画面已置于白色背景上。",
    ),
    "notice.icc_unsupported": Text(
        "This kind of file keeps no colour profile; colours may look different.",
        "此格式不保存色彩配置文件，颜色可能略有不同。",
    ),
    "notice.exif_unsupported": Text(
        "This kind of file cannot keep these EXIF data.", "此格式无法保存这些 EXIF 信息，已省略。"
    ),
    "notice.xmp_unsupported": Text(
        "This kind of file cannot keep these XMP data.", "此格式无法保存这些 XMP 信息，已省略。"
    ),
    "notice.xmp_dropped": Text(
        "The XMP data are damaged, or describe parts that were left out, and were left out, too.",
        "文件中的 XMP 信息已损坏，或描述的是已省略的部分，因此一并省略。",
    ),
    "notice.notes_dropped": Text(
        "Captions or comments of the file (IPTC or text) were left out.", "文件中的说明或注释（IPTC 或文本）已省略。"
    ),
    "notice.exif_dropped": Text("The EXIF data are damaged and were left out.", "文件中的 EXIF 信息已损坏，已省略。"),
    "notice.icc_dropped": Text(
        "The colour profile is damaged and was left out.", "文件中的色彩配置文件已损坏或不适用，已省略。"
    ),
    "notice.first_frame": Text("Only the first of several pictures was taken.", "文件包含多幅画面，仅处理第一幅。"),
    "notice.main_picture": Text("Pictures beside the main one were left out.", "文件中主图以外的附图已省略。"),
    "notice.palette": Text("The palette became full-colour RGB.", "原图使用调色板，结果为全彩 RGB。"),
    "notice.cmyk": Text("The file is in CMYK; the result is RGB.", "原图为 CMYK，结果为 RGB。"),
    "notice.lab": Text("The file is in LAB; the result is RGB.", "原图为 LAB，结果为 RGB。"),
    "notice.bilevel": Text("Black and white became 8 bits of grey.", "原图为 1 位黑白，结果为 8 位灰度。"),
    "notice.premultiplied": Text("Colours under transparency were recomputed.", "半透明处的颜色已由预乘值换算。"),
    "notice.gamma": Text("The file's own gamma note was left out.", "文件自带的伽马值说明已省略。"),
    "notice.hdr": Text(
        "The file holds high-dynamic-range colours; the result lacks that note.",
        "原图带有广色域或高动态范围说明，结果不含该说明。",
    ),
    "notice.kind_changed": Text(
        "Such files cannot be written without loss; this is a PNG file.", "该格式无法无损写出，结果为 PNG 文件。"
    ),
    "notice.smaller_batch": Text(
        "Memory ran short; fewer tiles were computed at once.", "内存不足，已减少同时处理的图块数。"
    ),
    "notice.smaller_tiles": Text("Memory ran short; smaller tiles were computed.", "内存不足，已改用更小的图块。"),
    "notice.other_device": Text("The rest was computed on the CPU.", "设备内存不足，其余部分已改用 CPU 计算。"),
    "notice.older_copy": Text(
        "The Hub could not be used, so the older bundled copy of the model was used.",
        "无法使用 Hub，已改用随附的旧版模型。",
    ),
    "notice.no_moire": Text(
        "Nothing that repeats as moire does was found, so the picture was left as it is. If you see some, try a part.",
        "没有找到像摩尔纹那样重复的条纹，图片保持原样。如果您看到摩尔纹，请框选局部再试。",
    ),
    "notice.tiled_anyway": Text(
        "This model looks at the whole picture, which was too large; tiles may differ in tone.",
        "该模型需要整幅画面，但画面过大，已分块处理，各块色调可能略有差异。",
    ),
    "notice.reference_part": Text(
        "The reference covers only a part of the photo; the figures are of that part.",
        "参考图只覆盖照片的一部分，指标仅针对该部分。",
    ),
    "notice.burst_left_out": Text(
        "Photos that do not belong to the chosen one were left out.",
        "与所选照片内容不同、尺寸不同或色彩配置文件不同的照片未被使用。",
    ),
    "notice.burst_alone": Text(
        "None of the other photos belongs to the chosen one; the result is of it alone.",
        "其他照片与所选照片的内容、尺寸或色彩配置文件不一致，结果仅由这一张照片得出。",
    ),
    "notice.sheet_english": Text(
        "No font with Chinese characters was found on the server; labels are in English.",
        "服务器上没有中文字体，标签以英文显示。",
    ),
    "notice.reference_middle": Text(
        "The picture is very large; the figures are of its middle.", "图片很大，指标仅针对其中央部分。"
    ),
}
