"""Clips: the tab, what could not be kept, errors."""

from demoire.ui.texts.text import Text

TEXTS = {
    "notice.clip_cut_off": Text(
        "The clip is damaged or cut off; it ends where its frames could no longer be read.",
        "视频已损坏或被截断，结果到无法读取的帧为止。",
    ),
    "notice.clip_shortened": Text(
        "The clip is longer than is accepted here; the rest was left out.", "视频超过此处允许的长度，其余部分已略去。"
    ),
    "notice.clip_depth": Text(
        "The clip has more than 8 bits per channel; the result has 8.", "视频每通道超过 8 位，结果为 8 位。"
    ),
    "notice.clip_tracks": Text(
        "The file also holds other tracks (subtitles, data, further video); they were left out.",
        "文件还含有其他轨道（字幕、数据或另外的视频），已略去。",
    ),
    "notice.clip_sound_dropped": Text(
        "This kind of file cannot hold the clip's sound; it was left out.", "这种文件无法容纳原来的声音，已略去。"
    ),
    "notice.clip_sound_damaged": Text("The sound of the clip is damaged; it ends early.", "声音已损坏，提前结束。"),
    "notice.clip_padded": Text(
        "This kind of file needs an even width and height; a row or column was repeated at the edge.",
        "这种文件的宽和高须为偶数，已在边缘重复一行或一列像素。",
    ),
    "notice.clip_on_white": Text(
        "The clip has transparent parts; they were put on white.", "画面有透明部分，已衬以白色。"
    ),
    "notice.clip_srgb": Text(
        "The pictures have a colour profile of their own; the result is in sRGB.",
        "图片带有自己的色彩配置，结果为 sRGB。",
    ),
    "notice.clip_other_files": Text(
        "The ZIP also holds files that are no pictures; they were left out.", "ZIP 中还有不是图片的文件，已略去。"
    ),
    "notice.clip_palette": Text(
        "A GIF has at most 256 colours in a frame; choose MP4 or WebP to keep all.",
        "GIF 每帧最多 256 色；要保留全部颜色，请选择 MP4 或 WebP。",
    ),
    "notice.clip_cancelled": Text(
        "Stopped before the end; the result has what was finished by then.", "已中途停止，结果包含停止前完成的部分。"
    ),
    "error.class.ClipError": Text(
        "This file cannot be read as a clip; please give another one.",
        "无法读取这个视频：可能已损坏、被截断、没有画面，或不是视频。请换一个文件，或另存为 MP4 后重试。",
    ),
    "error.class.ClipTooLargeError": Text(
        "This clip is larger than is accepted here; cut out a shorter part or reduce it.",
        "视频过长，或画面、文件过大，超出了这里的限制。请截取较短的片段，或缩小后重试。",
    ),
}
