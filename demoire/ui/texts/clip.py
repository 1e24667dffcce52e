"""Clips: the tab, what could not be kept, errors."""

from demoire.ui.texts.text import Text

TEXTS = {
    "tab.clip": Text("Clip", "视频"),
    "clip.drop": Text("Drop a clip of a screen here", "将屏幕视频拖到这里"),
    "clip.touch": Text("A clip of a screen", "屏幕视频"),
    "clip.choose": Text("Choose a clip", "选择视频"),
    "clip.another": Text("Another clip", "换一个视频"),
    "clip.sample": Text("Try a sample: a simulated clip of a page on a screen", "试用示例：模拟拍摄的屏幕页面"),
    "clip.kinds": Text(
        "MP4, MOV, WebM, MKV, GIF, WebP, or a ZIP of pictures; up to {seconds} s, {megapixels} megapixels a frame, "
        "{megabytes} MB.",
        "MP4、MOV、WebM、MKV、GIF、WebP，或图片 ZIP；最长 {seconds} 秒，"
        "每帧至多 {megapixels} 百万像素，文件至多 {megabytes} MB。",
    ),
    "clip.model": Text("Model", "模型"),
    "clip.start": Text("Restore the clip", "修复视频"),
    "clip.opening": Text("Opening the clip…", "正在打开视频…"),
    "clip.ready": Text("Ready. Press Restore the clip.", "已就绪，请点击“修复视频”。"),
    "clip.stopping": Text("Stopping; what is finished is being saved…", "正在停止并保存已完成的部分…"),
    "clip.progress": Text(
        "Frame {done} of {total} · {rate} frames/s · {left} left",
        "第 {done} / {total} 帧 · 每秒 {rate} 帧 · 还需 {left}",
    ),
    "clip.progress.open": Text("Frame {done} · {rate} frames/s", "第 {done} 帧 · 每秒 {rate} 帧"),
    "clip.seconds": Text("{seconds} s", "{seconds} 秒"),
    "clip.minutes": Text("{minutes} min", "{minutes} 分钟"),
    "clip.frames": Text("{frames} frames", "{frames} 帧"),
    "clip.rate": Text("{rate} frames/s", "每秒 {rate} 帧"),
    "clip.kept": Text("What was finished by then is kept and can be played.", "已完成的部分会保留，可以播放。"),
    "clip.nothing": Text("No frame was finished by then.", "停止前尚未完成任何一帧。"),
    "clip.original": Text("Original", "原视频"),
    "clip.left": Text("Shown on the left", "左侧显示"),
    "clip.right": Text("Shown on the right", "右侧显示"),
    "clip.picture.left": Text("Left picture", "左侧画面"),
    "clip.picture.right": Text("Right picture", "右侧画面"),
    "clip.play": Text("Play", "播放"),
    "clip.pause": Text("Pause", "暂停"),
    "clip.back": Text("One frame back", "后退一帧"),
    "clip.forward": Text("One frame forward", "前进一帧"),
    "clip.scrubber": Text("Frame", "帧"),
    "clip.place": Text("Frame {at} of {frames} · {time} s", "第 {at} / {frames} 帧 · {time} 秒"),
    "clip.pixels": Text("100 %", "100 %"),
    "clip.flicker": Text(
        "Flicker in flat areas, without motion: {before} before, {after} after (levels of 255 from frame to frame).",
        "平坦区域去除运动后的闪烁：修复前 {before}，修复后 {after}（相邻帧之差，满刻度 255）。",
    ),
    "clip.download": Text("Download {kind}", "下载 {kind}"),
    "clip.one": Text(
        "Please give one clip; several pictures go into a ZIP, photos into the tab Restore.",
        "请只放入一个视频；多张图片请打包为 ZIP，照片请用“修复”页。",
    ),
    "clip.unplayable": Text(
        "This browser cannot play H.264 video; please download the result.", "此浏览器无法播放 H.264 视频，请下载结果。"
    ),
    "error.no_clip": Text("There is no clip here any more; please give it again.", "视频已不在此处，请重新放入。"),
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
