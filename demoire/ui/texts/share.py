"""Links: making one, opening one, and the card that mails and chats show."""

from demoire.ui.texts.text import Text

TEXTS = {
    "share.open": Text("Share a link", "分享链接"),
    "share.title": Text("Share this comparison", "分享本次对比"),
    "share.original": Text(
        "Include the original photo, and the true picture if there is one", "包含原始照片和参考图（如有）"
    ),
    "share.what": Text(
        "Whoever has the link sees these pictures, at the same place. The place where the photo was taken and serial "
        "numbers are left out.",
        "获得链接的人可以看到这些图片，并停留在相同的位置。照片中的拍摄地点和设备序列号会被删除。",
    ),
    "share.days": Text("The link works for {days} days.", "链接有效期 {days} 天。"),
    "share.make": Text("Make the link", "生成链接"),
    "share.working": Text("Storing the pictures…", "正在保存图片…"),
    "share.link": Text("Link", "链接"),
    "share.copy": Text("Copy", "复制"),
    "share.copied": Text("Copied", "已复制"),
    "share.until": Text("Works until {date}.", "有效期至 {date}。"),
    "share.key": Text("Delete key", "删除密钥"),
    "share.key.note": Text(
        "Shown only now. Whoever has it can delete the link, so keep it to yourself.",
        "仅显示一次。持有密钥的人可以删除链接，请妥善保管。",
    ),
    "share.revoke": Text("Delete this link", "删除此链接"),
    "share.revoked": Text("The link was deleted.", "链接已删除。"),
    "share.close": Text("Close", "关闭"),
    "share.broken": Text(
        "The page lost its connection; please reload it and try again.", "与页面的连接已中断，请刷新后重试。"
    ),
    "shared.opening": Text("Opening the link…", "正在打开链接…"),
    "shared.name": Text("Shared comparison", "分享的对比"),
    "shared.dates": Text("Shared on {created}, works until {expires}", "分享于 {created}，有效期至 {expires}"),
    "shared.with": Text("Open these settings with my photo", "用这些设置处理我的照片"),
    "shared.start": Text("Restore a photo of your own", "修复自己的照片"),
    "shared.files": Text("Files", "文件"),
    "shared.gone.hint": Text(
        "Links live for a limited time. Ask whoever sent it for a new one, or restore a photo of your own.",
        "链接有时间限制。请向发送者索取新的链接，或修复自己的照片。",
    ),
    "shared.revoke": Text("Delete this link with its key", "用密钥删除此链接"),
    "shared.set": Text(
        "The settings of the shared comparison are set: {models}. Now choose your photo.",
        "已采用分享的设置：{models}。现在请选择照片。",
    ),
    "shared.card.title": Text("{title}: moiré removed", "{title}：已去除摩尔纹"),
    "shared.card.text": Text("Before and after, at the photo's own pixels.", "以照片的原始像素对比修复前后。"),
    "shared.card.open": Text("Open the comparison", "打开对比"),
}
