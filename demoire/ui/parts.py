"""Building blocks of the page: components of our own, from ``assets``, and Gradio's with texts in two languages."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import gradio as gr

from demoire.ui.texts import LANGUAGES, Text

ASSETS = Path(__file__).parent / "assets"

Component = TypeVar("Component", bound=gr.components.Component | gr.blocks.BlockContext)
#: From a key of the catalogue to what a component shows.
Say = Callable[[str], Any]
#: The properties of a component that are texts.
Wording = Callable[[Say], dict[str, Any]]


def _json(value: object) -> str:
    """JSON that may stand inside a script element."""
    return json.dumps(value, ensure_ascii=False).replace("</", "<\\/")


class Kit:
    """Makes components that speak the languages of one catalogue of texts."""

    def __init__(self, catalogue: Mapping[str, Text]) -> None:
        self._catalogue = {key: entry.per_language() for key, entry in catalogue.items()}
        self.i18n = gr.I18n(
            **{language: {key: words[language] for key, words in self._catalogue.items()} for language in LANGUAGES}
        )
        self._labelled: list[tuple[Any, Wording]] = []
        script = (ASSETS / "core.js").read_text(encoding="utf-8")
        self._core = script.replace("__TEXTS__", _json(self._catalogue)).replace("__LANGUAGES__", _json(LANGUAGES))

    def own(
        self, name: str, value: Any = None, props: Mapping[str, Any] | None = None, elem_id: str | None = None
    ) -> gr.HTML:
        """The component made of ``assets/<name>.html`` and ``.js``; its script sees ``props``, and speaks by itself."""
        return gr.HTML(
            value,
            html_template=(ASSETS / f"{name}.html").read_text(encoding="utf-8"),
            js_on_load=(ASSETS / f"{name}.js").read_text(encoding="utf-8"),
            head=f"<script>{self._core}</script>",
            apply_default_css=False,
            elem_id=elem_id or f"demoire-{name}",
            **(props or {}),
        )

    def labelled(self, make: Callable[..., Component], wording: Wording) -> Component:
        """A component of Gradio's with the texts of ``wording``: in the browser's language, then the chosen one."""
        component = make(**wording(self.i18n))
        self._labelled.append((component, wording))
        return component

    @property
    def labels(self) -> list[Any]:
        """All labelled components, in the order of ``relabel``."""
        return [component for component, _ in self._labelled]

    def relabel(self, language: str) -> list[Any]:
        """Updates that bring all labelled components into ``language``; an unknown one counts as the first."""
        known = language if language in LANGUAGES else LANGUAGES[0]
        return [gr.update(**wording(lambda key: self._catalogue[key][known])) for _, wording in self._labelled]
