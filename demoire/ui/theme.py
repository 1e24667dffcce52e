"""The look: neutral greys, so that nothing tints the judgement of a picture's colours; one theme, light and dark."""

from typing import NamedTuple

import gradio as gr

from demoire.ui.parts import ASSETS

FONTS = (
    "system-ui",
    "-apple-system",
    "Segoe UI",
    "Roboto",
    "PingFang SC",
    "Noto Sans CJK SC",
    "Microsoft YaHei",
    "sans-serif",
)
MONO = ("ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace")


#: The style of each part of the page, in the order of the cascade.
SHEETS = ("page", "photos", "intake", "bench", "stage", "viewer", "share", "simulate", "clip")


class Shade(NamedTuple):
    """One colour of the page in both of its modes."""

    light: str
    dark: str


#: The colours by their names in ``assets/style``.
COLOURS = {
    "page": Shade("#efefef", "#161616"),
    "surface": Shade("#fafafa", "#212121"),
    "well": Shade("#e2e2e2", "#0e0e0e"),
    "line": Shade("#cfcfcf", "#3a3a3a"),
    "edge": Shade("#868686", "#7a7a7a"),
    "ink": Shade("#171717", "#f1f1f1"),
    "muted": Shade("#555555", "#adadad"),
    "action": Shade("#171717", "#f1f1f1"),
    "action-hover": Shade("#3d3d3d", "#cccccc"),
    "action-ink": Shade("#ffffff", "#141414"),
    "checked": Shade("#171717", "#6f6f6f"),
    "alarm": Shade("#a3152a", "#ff9aa5"),
    "focus": Shade("#7a00b8", "#d9a6ff"),
}

#: Gradio's variables -> our colours.
_ROLES = {
    "body_background_fill": "page",
    "body_text_color": "ink",
    "body_text_color_subdued": "muted",
    "background_fill_primary": "surface",
    "background_fill_secondary": "surface",
    "border_color_primary": "line",
    "block_background_fill": "surface",
    "block_border_color": "line",
    "block_title_text_color": "ink",
    "block_label_text_color": "ink",
    "block_info_text_color": "muted",
    "input_background_fill": "surface",
    "input_border_color": "edge",
    "input_border_color_focus": "focus",
    "checkbox_background_color": "surface",
    "checkbox_background_color_selected": "checked",
    "checkbox_border_color": "edge",
    "checkbox_border_color_selected": "checked",
    "checkbox_label_background_fill": "surface",
    "checkbox_label_background_fill_hover": "surface",
    "checkbox_label_background_fill_selected": "surface",
    "checkbox_label_border_color": "line",
    "checkbox_label_border_color_selected": "action",
    "checkbox_label_text_color": "ink",
    "checkbox_label_text_color_selected": "ink",
    "button_primary_background_fill": "action",
    "button_primary_background_fill_hover": "action-hover",
    "button_primary_border_color": "action",
    "button_primary_text_color": "action-ink",
    "button_primary_text_color_hover": "action-ink",
    "button_secondary_background_fill": "surface",
    "button_secondary_background_fill_hover": "well",
    "button_secondary_border_color": "edge",
    "button_secondary_text_color": "ink",
    "button_secondary_text_color_hover": "ink",
}


def theme() -> gr.themes.Base:
    """Gradio's own components in the page's colours. No font is fetched from anywhere."""
    base = gr.themes.Base(primary_hue="neutral", neutral_hue="neutral", radius_size="sm", font=FONTS, font_mono=MONO)
    light = {role: COLOURS[name].light for role, name in _ROLES.items()}
    dark = {f"{role}_dark": COLOURS[name].dark for role, name in _ROLES.items()}
    return base.set(**light, **dark, input_border_width="1px", input_border_width_dark="1px")


def stylesheet() -> str:
    """The files of ``assets/style`` after the colours that they use."""
    light = "".join(f"--{name}: {shade.light};" for name, shade in COLOURS.items())
    dark = "".join(f"--{name}: {shade.dark};" for name, shade in COLOURS.items())
    rules = "\n".join((ASSETS / "style" / f"{name}.css").read_text(encoding="utf-8") for name in SHEETS)
    return f":root {{{light}}}\n.dark {{{dark}}}\n{rules}"
