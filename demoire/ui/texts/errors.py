"""Refusals of the page itself, and errors of the pipeline by class: in Chinese, and in both languages where the error
speaks to the one who runs the page."""

from demoire.ui.texts.text import Text

TEXTS = {
    "error.too_many_files": Text("Please give at most {most} photos at a time.", "请每次最多放入 {most} 张照片。"),
    "error.many_burst": Text(
        "A burst has at most {most} photos; untick it, or give fewer photos.",
        "连拍最多 {most} 张照片，请取消勾选，或减少照片。",
    ),
    "error.no_model": Text("Please tick a model first.", "请先勾选一个模型。"),
    "error.many_models": Text("Please tick at most four models.", "最多只能勾选四个模型。"),
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
    "error.class.MismatchError": Text(
        "The reference does not match the photo; give the very picture that the screen showed.",
        "参考图与照片不匹配：内容不同、尺寸相差过大，或画面过于空白。请提供屏幕当时显示的原始画面，例如截图。",
    ),
    "error.class.DemoireError": Text("That did not work; please try another photo.", "未能完成，请换一张照片重试。"),
}
