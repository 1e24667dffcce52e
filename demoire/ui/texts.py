"""The one catalogue of all texts on the page, in English and Chinese; keys are what the rest of the page knows."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from demoire.catalog import ModelEntry
from demoire.errors import DemoireError, OutputError, StoreError, WeightsError
from demoire.picture import Notice

LANGUAGES = ("en", "zh-CN")


class Text(NamedTuple):
    """One text in every language of the page, in the order of ``LANGUAGES``; ``{name}`` stands for a value."""

    en: str
    zh_cn: str

    def per_language(self) -> dict[str, str]:
        """The text keyed by language tag."""
        return dict(zip(LANGUAGES, self, strict=True))


TEXTS: Mapping[str, Text] = {
    # The frame of the page
    "page.title": Text("Demoire: remove moiré from photos of screens", "Demoire：去除屏幕照片中的摩尔纹"),
    "page.tagline": Text("Takes the moiré out of photos of screens.", "去除屏幕照片中的摩尔纹。"),
    "page.lead": Text(
        "Coloured bands appear where a camera meets the pixels of a screen. Drop such a photo here, restore it, "
        "and judge the result at the photo's own pixels. Size and colours stay as they are.",
        "用相机拍摄屏幕时，画面上常会出现彩色条纹。放入这样的照片，一键修复，并以原始像素检查结果。尺寸与色彩保持不变。",
    ),
    "page.language": Text("Language", "语言"),
    "page.privacy": Text(
        "Photos stay on the computer that runs this page, are shown to nobody else and are deleted within a day.",
        "照片只保存在运行本页面的计算机上，不会展示给他人，并在一天之内删除。",
    ),
    "tab.restore": Text("Restore", "修复"),
    # Bringing in a photo
    "intake.drop": Text("Drop a photo of a screen here", "将屏幕照片拖放到此处"),
    "intake.touch": Text("A photo of a screen, please", "请选择一张屏幕照片"),
    "intake.or": Text("or paste it, or", "也可以直接粘贴，或者"),
    "intake.choose": Text("Choose a photo", "选择照片"),
    "intake.another": Text("Another photo", "换一张照片"),
    "intake.kinds": Text(
        "JPEG, PNG, WebP, TIFF, HEIC, AVIF, BMP or GIF; up to {megapixels} megapixels and {megabytes} MB.",
        "支持 JPEG、PNG、WebP、TIFF、HEIC、AVIF、BMP、GIF；最大 {megapixels} 百万像素、{megabytes} MB。",
    ),
    "intake.examples": Text("No photo at hand? Take one of these:", "手边没有照片？试试这些："),
    "intake.release": Text("Let go to open the photo", "松开即可打开照片"),
    "intake.photo": Text("{width} × {height} · {kind}", "{width} × {height} · {kind}"),
    "example.sheet": Text("Squared paper on a screen", "屏幕上的方格纸"),
    "example.ticket": Text("Ticket on a screen", "屏幕上的车票"),
    "example.clean": Text("No moiré: stays as it is", "没有摩尔纹：保持原样"),
    # Controls
    "control.model": Text("Model", "模型"),
    "control.restore": Text("Restore", "修复"),
    "control.cancel": Text("Cancel", "取消"),
    "control.download": Text("Download", "下载"),
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
    # Views
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
    # States
    "state.opening": Text("Opening the photo…", "正在打开照片…"),
    "state.ready": Text("Ready. Press Restore.", "已就绪，请点击“修复”。"),
    "state.queued": Text("Waiting for the visitor before you to finish…", "正在等待前一位访客的任务完成…"),
    "state.loading": Text("Loading the model…", "正在加载模型…"),
    "state.working": Text("Restoring", "正在修复"),
    "state.progress": Text(
        "Tile {done} of {total} · {rate} MP/s · {left} s left", "图块 {done} / {total} · {rate} MP/s · 还需 {left} 秒"
    ),
    "state.progress.bar": Text("Progress", "进度"),
    "state.done": Text("Done", "完成"),
    "state.encoding": Text("Preparing the download…", "正在准备下载文件…"),
    "state.failed": Text("That did not work", "未能完成"),
    "state.cancelled": Text("Cancelled", "已取消"),
    "state.cancelled.hint": Text(
        "Your photo is still here; press Restore to start again.", "照片仍在，点击“修复”可重新开始。"
    ),
    # The line after the run
    "run.time": Text("Time", "用时"),
    "run.seconds": Text("{seconds} s", "{seconds} 秒"),
    "run.device": Text("Device", "设备"),
    "run.tiles": Text("Tiles", "图块"),
    "run.dtype": Text("Precision", "精度"),
    "run.model": Text("Model", "模型"),
    "run.origin": Text("Weights from", "权重来源"),
    "run.origin.bundled": Text("this package", "随附"),
    "run.file": Text("Download", "下载文件"),
    # Refusals that the page itself makes
    "error.too_many_files": Text("Please give one photo at a time.", "请每次只放入一张照片。"),
    "error.upload_bytes": Text(
        "This file is larger than {megabytes} MB; please give a smaller one.",
        "文件超过 {megabytes} MB，请换一个更小的文件。",
    ),
    "error.upload_lost": Text(
        "The photo did not reach the server; check the connection and try again.",
        "照片未能传到服务器，请检查网络后重试。",
    ),
    "error.no_photo": Text("There is no photo here any more; please give it again.", "照片已不在此处，请重新放入。"),
    "error.not_uploaded": Text("This is not a file that was given to this page.", "这不是通过本页面放入的文件。"),
    "error.unexpected": Text(
        "Something went wrong on our side; please try again, or try another photo.",
        "服务器出现意外错误，请重试，或换一张照片。",
    ),
    "error.no_models": Text(
        "No model is installed on this server, so nothing can be restored.", "服务器上没有安装模型，无法修复。"
    ),
    # What could not be kept, by the notice's code
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
    "notice.tiled_anyway": Text(
        "This model looks at the whole picture, which was too large; tiles may differ in tone.",
        "该模型需要整幅画面，但画面过大，已分块处理，各块色调可能略有差异。",
    ),
    # Errors of the pipeline, by class: in Chinese, and in both where the error speaks to the one who runs the page
    "error.class.PictureError": Text(
        "This file cannot be read as a picture; please give another one.",
        "无法读取这个文件：可能已损坏、为空或不是图片。请换一张，或另存为 JPEG、PNG 后重试。",
    ),
    "error.class.PictureTooLargeError": Text(
        "This photo is larger than is accepted here; reduce or crop it.",
        "照片过大，超出了这里接受的像素数或文件大小，请缩小或裁剪后再试。",
    ),
    "error.class.MemoryShortError": Text(
        "The memory of the server does not suffice; try a smaller photo or smaller tiles.",
        "服务器内存不足，请换一张较小的照片，或在设置中选择更小的图块。",
    ),
    "error.class.OutputError": Text(
        "The result could not be written; please try again or choose another file type.",
        "无法写入结果，请重试或选择其他文件格式。",
    ),
    "error.class.UnknownNameError": Text(
        "This model does not exist; please choose another one.", "该模型不存在，请选择其他模型。"
    ),
    "error.class.WeightsError": Text(
        "The weights of this model are missing or damaged; please choose another model.",
        "该模型的权重缺失或已损坏，请选择其他模型。",
    ),
    "error.class.DeviceError": Text(
        "This device is not to be had here; please choose Automatic.",
        "这里没有所选的设备，请在设置中选择“自动”。",
    ),
    "error.class.CancelledError": Text("The run was cancelled or took too long.", "任务已取消或超时。"),
    "error.class.LinkGoneError": Text("This link has expired or was deleted.", "链接不存在或已失效。"),
    "error.class.WrongKeyError": Text(
        "This is not the delete key of this link; please paste the one shown when it was made.",
        "删除密钥不正确，请粘贴创建链接时显示的密钥。",
    ),
    "error.class.StoreFullError": Text(
        "There is no room for another link now; please leave out the original, or try again later.",
        "链接存储空间已满，请不包含原图再试，或稍后重试。",
    ),
    "error.class.StoreError": Text(
        "Links cannot be stored or opened now; please try again later, or tell the host of this page.",
        "目前无法保存或打开链接，请稍后重试，或联系本页面的管理员。",
    ),
    "error.class.DemoireError": Text("That did not work; please try another photo.", "未能完成，请换一张照片重试。"),
}


def with_models(models: Iterable[ModelEntry]) -> Mapping[str, Text]:
    """The catalogue with a text ``model.<id>`` for each model: its family, its id where that says more, its summary."""
    return {**TEXTS, **{f"model.{model.id}": _model_text(model) for model in models}}


def _model_text(model: ModelEntry) -> Text:
    family = model.family.upper()
    name = family if model.id == model.family else f"{family} ({model.id})"
    english, chinese = (model.summary[language] for language in LANGUAGES)
    return Text(f"{name}: {english}", f"{name}：{chinese}")


def error_texts(error: DemoireError) -> dict[str, str]:
    """What to tell the visitor: the error's own sentence in English, that of its class in Chinese.

    Errors about weights and files name the server's folders, for the one who runs it: there the class speaks in both.
    """
    key = next(key for kind in type(error).__mro__ if (key := f"error.class.{kind.__name__}") in TEXTS)
    words = TEXTS[key].per_language()
    return words if isinstance(error, WeightsError | OutputError | StoreError) else {**words, "en": str(error)}


def notice_texts(notice: Notice) -> dict[str, str]:
    """What could not be kept: the notice's own sentence in English, the catalogue's in Chinese."""
    known = TEXTS.get(f"notice.{notice.code}", Text(notice.text, notice.text))
    return {**known.per_language(), "en": notice.text}
