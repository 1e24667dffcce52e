"""States of a run, and the line after it."""

from demoire.ui.texts.text import Text

TEXTS = {
    "state.opening": Text("Opening the photo…", "正在打开照片…"),
    "state.ready": Text("Ready. Press Restore.", "已就绪，请点击“修复”。"),
    "state.queued": Text("Waiting for the device…", "正在排队…"),
    "state.before": Text("Before you: {before}.", "前面还有 {before} 个任务。"),
    "state.loading": Text("Loading the model…", "正在加载模型…"),
    "state.fetching": Text("{done} of {total} MB from the Hub", "正在从 Hub 下载：{done} / {total} MB"),
    "state.fetching.unknown": Text("{done} MB from the Hub", "正在从 Hub 下载：{done} MB"),
    "state.looking": Text("Looking for moire…", "正在查找摩尔纹…"),
    "state.looked": Text("{percent} % of the photo; none so far", "已查看照片的 {percent}%，尚未发现"),
    "state.working": Text("Restoring", "正在修复"),
    "state.progress": Text(
        "Tile {done} of {total} · {rate} MP/s · {left} s left", "图块 {done} / {total} · {rate} MP/s · 还需 {left} 秒"
    ),
    "state.progress.bar": Text("Progress", "进度"),
    "state.done": Text("Done", "完成"),
    "state.partly": Text("{failed} of {total} did not work.", "{total} 个中有 {failed} 个未能完成。"),
    "state.encoding": Text("Preparing the download…", "正在准备下载文件…"),
    "state.failed": Text("That did not work", "未能完成"),
    "state.cancelled": Text("Cancelled", "已取消"),
    "state.cancelled.hint": Text(
        "What was done by then is kept; press Restore to start again.", "已完成的部分会保留，点击“修复”可重新开始。"
    ),
    "state.matching": Text("Looking for the true picture in the photo…", "正在照片中定位真实画面…"),
    "run.seconds": Text("{seconds} s", "{seconds} 秒"),
    "run.tiles": Text("tiles: {tiles}", "图块 {tiles}"),
    "run.origin.bundled": Text("bundled", "随附"),
    "run.origin.cache": Text("from the Hub, cached", "来自 Hub，已缓存"),
    "run.origin.hub": Text("from the Hub", "来自 Hub"),
    "run.origin.local": Text("local", "本机"),
    "run.origin.missing": Text("not at hand", "不可用"),
    "run.download": Text("Download", "下载"),
    "parcel.archive": Text("All as ZIP", "全部打包（ZIP）"),
    "parcel.sheet.png": Text("Sheet (PNG)", "对比表（PNG）"),
    "parcel.sheet.pdf": Text("Sheet (PDF)", "对比表（PDF）"),
}
