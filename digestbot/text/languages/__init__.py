"""The languages in which summaries are read carefully. To add one, write its file and one line here."""

from __future__ import annotations

from digestbot.text.languages.arabic import ARABIC
from digestbot.text.languages.base import Language, TextSection
from digestbot.text.languages.chinese import CHINESE
from digestbot.text.languages.english import ENGLISH
from digestbot.text.languages.french import FRENCH
from digestbot.text.languages.german import GERMAN
from digestbot.text.languages.hindi import HINDI
from digestbot.text.languages.japanese import JAPANESE
from digestbot.text.languages.russian import RUSSIAN
from digestbot.text.languages.spanish import SPANISH
from digestbot.text.languages.word_pattern import WordPattern

__all__ = ["LANGUAGES", "Language", "TextSection", "alternatives", "labels", "pattern"]

LANGUAGES = (ENGLISH, GERMAN, FRENCH, SPANISH, RUSSIAN, CHINESE, JAPANESE, HINDI, ARABIC)


def alternatives(name: str) -> str:
    """Return the alternatives of one field of all languages, such as ``abbreviations``, as one regular expression."""
    return "|".join(value for language in LANGUAGES if (value := getattr(language, name)))


def pattern(*names: str) -> WordPattern:
    """Return the patterns of these fields of all languages, such as ``findings``, as one that ignores case."""
    return WordPattern([one for name in names for language in LANGUAGES for one in getattr(language, name)])


def labels(section: TextSection) -> str:
    """Return the labels of one section in all languages as alternatives."""
    return "|".join(language.labels[section] for language in LANGUAGES)
