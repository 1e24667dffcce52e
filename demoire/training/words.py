"""Words for rendered pages: seeded pseudo-prose from short lists of common words; no text of anyone else."""

import numpy as np


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


ENGLISH = _words("""
the of and to in is that for it as was with be by on not he this are or his from at which but have an they you
were their one all we can her has there been if more when will would who so no out up into than time only some
could other after first also new people over last most many before must through back years where much your way
well down should because each just those state how too little good world very still see own men work long get
here between both life being under never day same another know while might us great old year off come since
against go came right used take three picture screen camera light colour window button table report value number
total price market system network device version memory setting option result section figure chapter project
server client update release language measure distance pattern surface filter signal sample river mountain
garden kitchen music evening morning history science student teacher library question answer decision account
office weather station travel
""")
CHINESE = (
    "的一是在不了有和人这中大为上个国我以要他时来用们生到作地于出就分对成会可主发年动同工也能下过子说产种面而方后多定行学法所"
    "民得经十三之进着等部度家电力里如水化高自二理起小物现实加量都两体制机当使点从业本去把性好应开它合还因由其些然前外天政四日"
    "那社义事平形相全表间样与关各重新线内数正心反你明看原又么利比或但质气第向道命此变条只没结解问意建月公无系军很情者最立代想"
    "已通并提直题党程展五果料象员革位入常文总次品式活设及管特件长求老头基资边流路级少图山统接知较将组见计别她手角期根论运农指几"
    "屏幕照片模型网络训练数据颜色条纹亮度文字表格窗口设置保存打开下载页面结果时间价格用户系统版本说明报告分析显示相机处理方法"
)
IDENTIFIERS = _words("""
value index count total width height buffer stream result node left right parent child items config options path
name size offset limit state error message handler request response update render layout matrix vector sample
filter kernel pixel colour frame cache queue worker thread token parser record field column
""")
_PUNCTUATION = (".", ".", ".", ".", "?", "!", ":", ";")


def sentence(rng: np.random.Generator, shortest: int = 5, longest: int = 16) -> str:
    """One pseudo-sentence in English words, with the odd number and comma."""
    words = [ENGLISH[int(i)] for i in rng.integers(len(ENGLISH), size=int(rng.integers(shortest, longest + 1)))]
    if rng.random() < 0.2:
        words[int(rng.integers(len(words)))] = number(rng)
    if len(words) > 8:
        words[4] += ","
    return " ".join([words[0].capitalize(), *words[1:]]) + str(rng.choice(_PUNCTUATION))


def chinese_sentence(rng: np.random.Generator, shortest: int = 6, longest: int = 28) -> str:
    """One pseudo-sentence in common simplified Chinese characters."""
    length = int(rng.integers(shortest, longest + 1))
    text = "".join(CHINESE[int(i)] for i in rng.integers(len(CHINESE), size=length))
    if length > 12:
        text = text[: length // 2] + "，" + text[length // 2 :]
    return text + str(rng.choice(("。", "。", "。", "？", "！", "；")))


def paragraph(rng: np.random.Generator, language: str, sentences: int) -> str:
    """Several sentences in ``en`` or ``zh``."""
    if language == "zh":
        return "".join(chinese_sentence(rng) for _ in range(sentences))
    return " ".join(sentence(rng) for _ in range(sentences))


def phrase(rng: np.random.Generator, language: str, words: int) -> str:
    """A heading or label of some words (twice as many Chinese characters)."""
    if language == "zh":
        return "".join(CHINESE[int(i)] for i in rng.integers(len(CHINESE), size=2 * words))
    chosen = [ENGLISH[int(i)] for i in rng.integers(len(ENGLISH), size=words)]
    return " ".join(chosen).capitalize()


def number(rng: np.random.Generator) -> str:
    """A number as it stands in tables: an integer, decimals, a price, a share or a date."""
    style = int(rng.integers(5))
    value = float(10 ** rng.uniform(0, 5))
    texts = (f"{value:.0f}", f"{value:,.2f}", f"${value:,.2f}", f"{value % 100:.1f} %")
    return (
        texts[style] if style < 4 else f"20{rng.integers(10, 30)}-{rng.integers(1, 13):02d}-{rng.integers(1, 29):02d}"
    )


def code_line(rng: np.random.Generator) -> list[tuple[str, str]]:
    """One line of pseudo-code as (role, text) pieces; roles: keyword, name, text, number, comment, mark."""

    def name() -> str:
        parts = [IDENTIFIERS[int(i)] for i in rng.integers(len(IDENTIFIERS), size=int(rng.integers(1, 3)))]
        return "_".join(parts)

    digits = str(rng.integers(0, 4096))
    forms: tuple[list[tuple[str, str]], ...] = (
        [("keyword", "def "), ("name", name()), ("mark", "("), ("name", f"{name()}, {name()}"), ("mark", "):")],
        [("name", name()), ("mark", " = "), ("name", name()), ("mark", "["), ("number", digits), ("mark", "]")],
        [("keyword", "if "), ("name", name()), ("mark", " >= "), ("number", digits), ("mark", ":")],
        [("keyword", "return "), ("name", name()), ("mark", "("), ("text", f'"{phrase(rng, "en", 2)}"'), ("mark", ")")],
        [("comment", "# " + sentence(rng, 4, 9))],
        [("keyword", "for "), ("name", name()), ("keyword", " in "), ("name", name()), ("mark", ":")],
        [("name", name()), ("mark", "."), ("name", name()), ("mark", "("), ("name", name()), ("mark", ")")],
        [("keyword", "import "), ("name", name())],
    )
    return forms[int(rng.integers(len(forms)))]
