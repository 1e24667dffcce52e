"""The catalogue of texts is complete in both languages, and no text of the page stands outside it."""

import ast
import re
import string
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

import demoire.errors
from demoire.catalog import ModelEntry
from demoire.errors import DemoireError, PictureError
from demoire.picture import Notice
from demoire.ui.texts import AREAS, LANGUAGES, TEXTS, error_texts, notice_texts, with_models

PACKAGE = Path(demoire.errors.__file__).parent
UI = PACKAGE / "ui"
CHINESE = re.compile("[\u4e00-\u9fff]")
#: Names and signs that are the same in every language.
SAME = {"Demoire", "English", "中文", "0 %", "100 %", "× 1", "× 2", "× 4", "× 8", "× 16"}
#: Keys that are put together from a prefix and a name.
PREFIXES = (
    *("control.device.", "control.format.", "family.", "example.", "notice.", "error.class.", "tab.", "run.origin."),
    *("pane.", "figure.", "parcel.", "sheet.", "simulate.", "moire."),
)


def places(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


@pytest.mark.parametrize("key", TEXTS)
def test_each_text_is_complete_in_both_languages(key: str) -> None:
    english, chinese = TEXTS[key]
    assert english.strip() and chinese.strip()
    assert places(english) == places(chinese)
    assert not CHINESE.search(english)
    words = re.sub(r"\{\w+\}|[^A-Za-z]", "", chinese)
    assert CHINESE.search(chinese) or words in ("", "PNG", "JPEG", "CNN", "RNN", "GAN", "PSNRdB", "SSIM")


def sources(pattern: str) -> dict[Path, str]:
    return {path: path.read_text(encoding="utf-8") for path in UI.rglob(pattern) if path.parent.name != "texts"}


def used_keys() -> set[str]:
    quoted = re.compile(r"""["'`]([a-z]+(?:\.[A-Za-z_]+)+)["'`]""")
    kinds = {key.split(".")[0] for key in TEXTS}
    found = {
        key
        for pattern in ("*.py", "*.js", "*.html")
        for text in sources(pattern).values()
        for key in quoted.findall(text)
    }
    return {key for key in found if key.split(".")[0] in kinds and key not in ("sheet.png", "sheet.pdf")}


def test_every_key_that_is_used_exists_and_every_text_is_used() -> None:
    used = used_keys()
    assert {key for key in used if key not in TEXTS and not key.startswith("page.t")} == set()
    assert {key for key in TEXTS if key not in used and not key.startswith(PREFIXES)} == set()


class _Visible(HTMLParser):
    """Collects what a visitor could read: text nodes and spoken attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []

    def handle_data(self, data: str) -> None:
        self.texts.append(data.strip())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.texts += [value or "" for name, value in attrs if name in ("aria-label", "title", "alt", "placeholder")]


def test_templates_hold_no_text() -> None:
    for path, template in sources("*.html").items():
        parser = _Visible()
        parser.feed(template)
        assert set(parser.texts) - SAME - {""} == set(), path.name


def test_scripts_hold_no_text() -> None:
    token = re.compile(r"""//[^\n]*|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`[^`]*`""")
    prose = re.compile("[A-Za-z]{2,} [a-z]{2,}")
    for path, script in sources("*.js").items():
        literals = [found for found in token.findall(script) if not found.startswith(("//", '".'))]  # nor selectors
        assert [literal for literal in literals if prose.search(literal) or CHINESE.search(literal)] == [], path.name


def test_python_hands_no_text_to_components() -> None:
    shown = {"label", "info", "placeholder", "title", "value"}
    for path, source in sources("*.py").items():
        tree = ast.parse(source)
        pairs = [
            (word.arg, word.value) for node in ast.walk(tree) if isinstance(node, ast.Call) for word in node.keywords
        ]
        pairs += [
            (key.value, value)
            for node in ast.walk(tree)
            if isinstance(node, ast.Dict)
            for key, value in zip(node.keys, node.values, strict=True)
            if isinstance(key, ast.Constant)
        ]
        texts = [value.value for name, value in pairs if name in shown and isinstance(value, ast.Constant)]
        assert [text for text in texts if isinstance(text, str) and text != "auto"] == [], path.name
        assert not CHINESE.search(source), path.name


def test_every_notice_of_the_pipeline_speaks_chinese() -> None:
    codes = set()
    for path in PACKAGE.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Notice":
                assert isinstance(node.args[0], ast.Constant), f"{path.name}: a code that this test cannot read"
                codes.add(node.args[0].value)
    assert codes
    for code in codes:
        texts = notice_texts(Notice(code, "In English."))
        assert texts["en"] == "In English."
        assert CHINESE.search(texts["zh-CN"]), code


def test_every_error_of_the_pipeline_speaks_both_languages() -> None:
    kinds = [
        kind for kind in vars(demoire.errors).values() if isinstance(kind, type) and issubclass(kind, DemoireError)
    ]
    assert len(kinds) > 5
    for kind in kinds:
        assert f"error.class.{kind.__name__}" in TEXTS or kind is demoire.errors.DataError  # of training alone
        texts = error_texts(kind("A sentence."))
        assert set(texts) == set(LANGUAGES)
        assert CHINESE.search(texts["zh-CN"]) and texts["en"].endswith(".")
    assert error_texts(PictureError("A sentence."))["en"] == "A sentence."


def test_errors_that_name_folders_of_the_server_are_not_repeated() -> None:
    for kind in (demoire.errors.WeightsError, demoire.errors.OutputError):
        assert "/srv" not in "".join(error_texts(kind("Missing in /srv/models.")).values())


def test_models_speak_for_themselves() -> None:
    entry = ModelEntry("cnn", "cnn", "unet", None, None, {}, "MIT", 1, 1, {"en": "Quick.", "zh-CN": "快速。"}, True)
    catalogue = with_models([entry, replace(entry, id="cnn-large")])
    assert catalogue["model.cnn"] == ("CNN: Quick.", "CNN：快速。")
    assert catalogue["model.cnn-large"].en == "CNN (cnn-large): Quick."
    assert catalogue["page.title"] == TEXTS["page.title"]
    told = with_models([entry], {"cnn": "hub"})["model.cnn"]
    assert told.en.startswith("CNN: Quick. (") and told.en.endswith("from the Hub)") and "来自 Hub" in told.zh_cn


def test_each_text_stands_in_one_area() -> None:
    assert sum(len(area.TEXTS) for area in AREAS) == len(TEXTS)
