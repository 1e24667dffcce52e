"""States of a run, and the line after it."""

from demoire.ui.texts.text import Text

TEXTS = {
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
    "run.time": Text("Time", "用时"),
    "run.seconds": Text("{seconds} s", "{seconds} 秒"),
    "run.device": Text("Device", "设备"),
    "run.tiles": Text("Tiles", "图块"),
    "run.dtype": Text("Precision", "精度"),
    "run.model": Text("Model", "模型"),
    "run.origin": Text("Weights from", "权重来源"),
    "run.origin.bundled": Text("this package", "随附"),
    "run.file": Text("Download", "下载文件"),
}
