"""The one catalogue of all texts on the page, in English and Chinese; keys are what the rest of the page knows.

Each area of the page has a file of its own, listed in ``AREAS``.
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from demoire.catalog import ModelEntry
from demoire.errors import DemoireError, OutputError, StoreError, WeightsError
from demoire.picture import Notice
from demoire.ui.texts import (
    clip,
    controls,
    errors,
    frame,
    intake,
    notices,
    opinions,
    run,
    share,
    sheet,
    simulate,
    viewer,
)
from demoire.ui.texts.text import LANGUAGES as LANGUAGES
from demoire.ui.texts.text import Text as Text

AREAS = (frame, intake, controls, viewer, run, opinions, share, sheet, simulate, clip, notices, errors)

TEXTS: Mapping[str, Text] = {key: text for area in AREAS for key, text in area.TEXTS.items()}


def with_models(models: Iterable[ModelEntry], origins: Mapping[str, str] = MappingProxyType({})) -> Mapping[str, Text]:
    """The catalogue with a text ``model.<id>`` for each model: its family, its id where that says more, its summary.

    Then its size and cost, as far as they are known, and its origin, if ``origins`` has it.
    """
    return {**TEXTS, **{f"model.{model.id}": _model_text(model, origins.get(model.id)) for model in models}}


def _model_text(model: ModelEntry, origin: str | None) -> Text:
    family = model.family.upper()
    name = family if model.id == model.family else f"{family} ({model.id})"
    english, chinese = (model.summary[language] for language in LANGUAGES)
    if origin is None:
        return Text(f"{name}: {english}", f"{name}：{chinese}")
    place = TEXTS[f"run.origin.{origin}"]
    facts = [f"{model.size / 1e6:.1f} MB"] if model.size else []
    facts += [f"{model.macs_per_pixel / 1e3:.0f} kMAC/px"] if model.macs_per_pixel else []
    return Text(
        f"{name}: {english} ({', '.join([*facts, place.en])})",
        f"{name}：{chinese}（{'，'.join([*facts, place.zh_cn])}）",
    )


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
