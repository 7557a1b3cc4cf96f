"""The authors of a feed's entries: names only, never an e-mail address."""

from __future__ import annotations

import html
import re
from typing import Any

from digestbot.text import is_group

_TAG = re.compile(r"<[^<>]*>")
_BRACKETED = re.compile(r"@[^\s()]{1,255}\s*\(((?:[^()]|\([^()]*\)){1,200})\)")
_MAIL = re.compile(r"<?(?:mailto:)?[^\s<>()\[\],;:\"@]{1,64}@[^\s<>()\[\],;:\"@]{1,255}\.[^\s<>()\[\],;:\"@]{2,63}>?")
_HANDLE = re.compile(r"\(?(?<!\S)\(?@\w{1,50}\)?")
_AFFILIATION = re.compile(r"\s*\([^()]{0,500}\)")
_AND = re.compile(r",?\s+(?:and|&)\s+")
_SUFFIX = re.compile(r"(?:Jr|Sr)\.?|I{2,3}|IV")
_AFTER = re.compile(rf" (?:{_SUFFIX.pattern})$")
_DEGREE = re.compile(r"(?:Ph\.?\s?D|M\.?D|M\.?Sc|B\.?Sc|M\.?P\.?H|M\.?B\.?A|R\.?N|FRCP|Dr)\.?", re.IGNORECASE)
_INITIALS = re.compile(r"(?:[^\W\d_]\.?[\s-]*){1,4}")
_INITIALS_LAST = re.compile(r"([^\W\d_].*[^\W\d_]) ([A-Z]{1,3})\.?")
_COLLABORATION = re.compile(r"^(?:the )?(?:[\w-]+ ){0,4}collaborations?:\s*", re.IGNORECASE)
_NOTES = re.compile(r"[*†‡§¶#\d\s]+$")
_PARTICLE = re.compile(r"(?:van|von|de|der|den|da|di|du|la|le|el|al|ten|ter|dos|del)\b")
_CJK = re.compile("[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
MOST_AUTHORS = 5_000
LONGEST_NAMES = 200_000  # characters of one author element
NOBODY = ("anonymous", "noreply", "no reply", "nobody", "unknown", "et al.", "et al", "others")


def person_name(text: str) -> str:
    """Return the name, or the names, in one author element; empty where it has none.

    RSS 2.0 writes "mail@host (Name)", other feeds "Name <mail@host>" or "Name (mail@host)". An address is never shown.
    """
    text = " ".join(html.unescape(_TAG.sub(" ", text) if "</" in text or "<a " in text else text).split())
    if "@" in text:
        names = [one for one in _BRACKETED.findall(text) if "@" not in one]
        text = ", ".join(names) or _HANDLE.sub(" ", _MAIL.sub(" ", text))
        if re.search(r"\S@\S", text):
            return ""
        text = " ".join(re.sub(r"\(\s*\)", " ", text).split())
    text = text.strip(" ,;<>\"'")
    return "" if text.lower() in NOBODY else text


def entry_names(entry: dict[str, Any]) -> list[str]:
    """Return the text of each author element of a feedparser entry, in order. Several names may be in one of them."""
    given = entry.get("authors")
    people = [one for one in given if isinstance(one, dict)][:MOST_AUTHORS] if isinstance(given, list) else []
    texts = [_rejoined(one) for one in people]
    if len(texts) < 2:  # feedparser keeps the raw text of the last
        text = entry.get("author") or (given if isinstance(given, str) else "")
        texts = [str(text)[:LONGEST_NAMES]]
    names = [name for name in map(person_name, texts) if name]
    return names[:1] if len(names) == 2 and names[0] == names[1] else names  # one element of RSS, one of Dublin Core


def _rejoined(author: dict[str, Any]) -> str:
    """Return an author's name. feedparser cuts "mail@host.example (Name)" after "exam", and takes the rest for one."""
    name, email = str(author.get("name") or ""), str(author.get("email") or "")
    if email and name[:1].islower() and len(email.rpartition(".")[2]) == 4:
        name = f"{email}{name}"
        return name + ")" if name.count("(") > name.count(")") else name
    return name


def paper_authors(entry: dict[str, Any], *, plain_commas: bool) -> tuple[str, ...]:
    """Return the authors of the paper that an entry is about, in reading order.

    ``plain_commas``: commas are only ever between people, as in arXiv's feeds ("Ada Example, Chen Wei").
    """
    names = entry_names(entry)
    return tuple(person for text in names for person in split_people(text, plain_commas=plain_commas))


def split_people(text: str, *, plain_commas: bool = False) -> list[str]:
    """Return the people in one text, in reading order: "Wei, C., Muster, B.", "A, B, and C", "Smith J, Doe AB", and so
    on. Affiliations in brackets, degrees and footnote signs are left out."""
    for _ in range(3):  # brackets within brackets
        text = _AFFILIATION.sub("", text)
    text = _COLLABORATION.sub("", text)
    if ";" in text:
        parts = [part for part in text.split(";") if part.strip(" ,")]
        return [name for part in parts for name in split_people(part, plain_commas=plain_commas)]
    chunks = [chunk for chunk in _AND.split(text) if chunk]
    if len(chunks) > 1 and not plain_commas and all(_is_inverted(chunk) for chunk in chunks):
        return [name for chunk in chunks for name in split_people(chunk)]
    pieces = _pieces(",".join(chunks))
    if plain_commas or len(pieces) < 2:
        return [_turned(piece) if not plain_commas else piece for piece in pieces]
    if all(_INITIALS_LAST.fullmatch(piece) for piece in pieces):
        return [_turned(piece) for piece in pieces]
    if len(pieces) == 2 and _is_inverted(", ".join(pieces)):
        return [_joined(*pieces)]
    if any(_is_initials(_AFTER.sub("", piece)) for piece in pieces):
        return _with_initials(pieces)
    single = not any(" " in piece or _CJK.search(piece) for piece in pieces)
    if single and len(pieces) % 2 == 0:
        return [f"{first} {last}" for last, first in zip(pieces[::2], pieces[1::2], strict=True)]
    return pieces


def _pieces(text: str) -> list[str]:
    """Return what commas separate, with suffixes at their names, and without degrees and signs."""
    results: list[str] = []
    for piece in (_NOTES.sub("", one).strip(" .") if "." not in one[-2:] else one.strip() for one in text.split(",")):
        if _SUFFIX.fullmatch(piece) and results:
            results[-1] += f" {piece}"
        elif piece and not _DEGREE.fullmatch(piece) and piece.lower() not in NOBODY:
            results.append(piece)
    return results


def _is_initials(piece: str) -> bool:
    letters = re.sub(r"\W", "", piece)
    return bool(_INITIALS.fullmatch(piece)) and len(letters) < 5 and letters.isupper()


def _is_inverted(chunk: str) -> bool:
    """Return whether a text is one name as "Last, First"."""
    pieces = [piece.strip() for piece in chunk.split(",") if piece.strip()]
    if len(pieces) != 2 or is_group(pieces[0]) or _CJK.search(chunk):
        return False
    last, first = pieces
    if " " in last and " " in first and not _is_initials(first):
        return bool(_PARTICLE.match(last))
    return not (" " in last and not _PARTICLE.match(last) and "." in last)


def _with_initials(pieces: list[str]) -> list[str]:
    """Return the people in "Wei, C., Muster, B. A., The Big Consortium"."""
    results, at = [], 0
    while at < len(pieces):
        following = pieces[at + 1] if at + 1 < len(pieces) else ""
        if _is_initials(_AFTER.sub("", following)) and not _is_initials(pieces[at]):
            results.append(_joined(pieces[at], following))
            at += 2
        else:
            results.append(pieces[at])
            at += 1
    return results


def _joined(last: str, first: str) -> str:
    """Return a name in reading order, with "Jr." at its end."""
    suffix = next((match[0] for match in map(_AFTER.search, (first, last)) if match), "")
    return f"{_AFTER.sub('', first)} {_AFTER.sub('', last)}{suffix}"


def _turned(piece: str) -> str:
    """Return "Smith AB" as "A. B. Smith"; any other name unchanged."""
    match = _INITIALS_LAST.fullmatch(piece)
    if match is None or is_group(piece):
        return piece
    return f"{' '.join(f'{letter}.' for letter in match[2])} {match[1]}"
