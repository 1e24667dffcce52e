"""The tab that photographs a clean picture on a simulated display."""

from demoire.ui.texts.text import Text

TEXTS = {
    "tab.simulate": Text("Simulate", "模拟"),
    "simulate.lead": Text(
        "Test the models with a known truth: a clean picture of your own is shown on a simulated display, "
        "photographed, and restored. Every result is scored against what the camera would have seen without moiré.",
        "用已知真值检验模型：把您的一张干净图片显示在模拟屏幕上，拍摄，再修复。每个结果都与没有摩尔纹时相机应得的画面比较。",
    ),
    "easel.caption": Text(
        "This picture will be photographed. Press “Photograph and restore”.", "将拍摄这张图片。请点击“拍摄并修复”。"
    ),
    "easel.display": Text("It is shown on a simulated display.", "图片显示在模拟屏幕上。"),
    "easel.camera": Text("A simulated camera takes it, moiré and all.", "由模拟相机拍摄，摩尔纹随之产生。"),
    "easel.score": Text(
        "The models restore it, and figures tell how near they come to the truth.",
        "模型进行修复，并给出与真值的接近程度。",
    ),
    "simulate.choose": Text("Choose a clean picture", "选择干净图片"),
    "simulate.picture": Text("Picture: {name}", "图片：{name}"),
    "simulate.example": Text("the example", "示例图片"),
    "simulate.link": Text("Link to these settings", "这组设置的链接"),
    "simulate.models": Text("Models", "模型"),
    "simulate.run": Text("Photograph and restore", "拍摄并修复"),
    "simulate.surprise": Text("Surprise me", "随机一组"),
    "simulate.layout": Text("Display layout", "屏幕像素排列"),
    "simulate.layout.stripe": Text("RGB stripes", "RGB 条纹"),
    "simulate.layout.stripe_split": Text("RGB stripes, halved", "RGB 条纹，分为两半"),
    "simulate.layout.chevron": Text("RGB chevrons", "RGB 人字形"),
    "simulate.layout.diamond": Text("Diamond (OLED phone)", "菱形（OLED 手机）"),
    "simulate.layout.pentile": Text("PenTile RGBG", "PenTile RGBG 排列"),
    "simulate.scale": Text("Distance", "距离"),
    "simulate.scale.info": Text(
        "Camera pixels per display pixel: larger is nearer.", "每个屏幕像素对应的相机像素数，越大越近。"
    ),
    "simulate.angle": Text("Angle, degrees", "角度（度）"),
    "simulate.perspective": Text("Perspective, percent", "透视（百分比）"),
    "simulate.perspective.info": Text("Change of scale across the photo.", "画面两端的比例差。"),
    "simulate.blur": Text("Blur of the lens", "镜头模糊"),
    "simulate.blur.info": Text("Sigma in camera pixels.", "标准差，单位为相机像素。"),
    "simulate.noise": Text("Noise, percent", "噪声（百分比）"),
    "simulate.jpeg": Text("JPEG quality", "JPEG 质量"),
    "simulate.jpeg.info": Text("100: no JPEG at all.", "100 表示不经 JPEG 压缩。"),
    "simulate.reduction": Text("Reduced for sharing", "分享时缩小"),
    "simulate.reduction.info": Text("1: all pixels of the camera.", "1 表示保留相机的全部像素。"),
    "simulate.seed": Text("Seed", "随机种子"),
    "simulate.seed.info": Text("Camera, colours and tone.", "决定相机、颜色与色调。"),
    "simulate.state.opening": Text("Opening the picture…", "正在打开图片…"),
    "simulate.state.queued": Text("Waiting for others to finish…", "正在等待其他任务完成…"),
    "simulate.state.working": Text("Photographing…", "正在拍摄…"),
    "simulate.state.restoring": Text("Photographed; restoring…", "已拍摄，正在修复…"),
    "simulate.state.done": Text("Done. Figures are against the target.", "完成。指标均以目标图为准。"),
}
