"""What a text of the page is."""

from typing import NamedTuple

LANGUAGES = ("en", "zh-CN")


class Text(NamedTuple):
    """One text in every language of the page, in the order of ``LANGUAGES``; ``{name}`` stands for a value."""

    en: str
    zh_cn: str

    def per_language(self) -> dict[str, str]:
        """The text keyed by language tag."""
        return dict(zip(LANGUAGES, self, strict=True))
