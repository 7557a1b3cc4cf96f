"""The pictures of posts: cards that are made from summaries, or the first image of a summary's text."""

from __future__ import annotations

import io
import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import urljoin, urlsplit

from digestbot.config import Appearance, Config
from digestbot.domain.errors import PictureError, SourceError
from digestbot.domain.model import Draft, Image, ImageFailure, Picture, Summary
from digestbot.rendering.cards import MISSING, MOST_ALT, CardMaker, cards_available
from digestbot.sources.fetch import Fetcher
from digestbot.text import first_image, plain_title, sanitize, truncate

log = logging.getLogger(__name__)

FETCH_SECONDS = 30.0
MOST_BYTES = 10 * 10**6  # of a fetched image; Facebook accepts no more
MOST_PIXELS = 40 * 10**6
LONGEST_SIDE = 2048  # pixels, of the posted image
MOST_POSTED = 5 * 2**20  # bytes, of the posted image; X accepts no more
_FORMATS = ("PNG", "JPEG", "GIF", "WEBP", "AVIF", "BMP", "TIFF")


class ImageBuilder:
    """Finds or makes the pictures of an edition's posts."""

    def __init__(self, config: Config, *, allow_private: bool = False) -> None:
        """Create an image builder. ``allow_private`` permits images from private addresses. Only tests set it, because
        the URLs come from third parties."""
        self._config, self._allow_private = config, allow_private
        settings = config.cards
        template = config.folder / settings.template if settings.template else None
        self._cards = CardMaker(template, [config.folder / path for path in settings.font_paths], settings.design)

    def attach(
        self, appearance: Appearance, channel: str, chosen: Sequence[Summary], drafts: Sequence[Draft]
    ) -> list[Draft]:
        """Return the drafts with their pictures: one for each post that begins a summary; for a roundup, its first
        summary's.

        If a picture is not available, it is left out or PictureError is raised, as ``image_failure`` says.
        """
        by_id = {summary.id: summary for summary in chosen}
        required = appearance.image_failure is ImageFailure.HOLD
        results = []
        for draft in drafts:
            summary = by_id.get(draft.shows[0]) if draft.shows and not draft.message.reply else None
            picture = None
            if summary is not None:
                try:
                    picture = self.picture(appearance.image, channel, summary, required=required)
                except Exception as error:  # an untrusted image, or the typesetter, may raise anything
                    if required:
                        held = PictureError(str(error))
                        held.summary = summary.id
                        raise held from error
                    log.warning("summary %s on %s is posted without its picture: %s", summary.id, channel, error)
            results.append(replace(draft, message=replace(draft.message, picture=picture)) if picture else draft)
        return results

    def supposed(self, appearance: Appearance, chosen: Sequence[Summary], drafts: Sequence[Draft]) -> list[Draft]:
        """Return the drafts with empty pictures in place of the expected ones, so that their costs can be estimated."""
        by_id = {summary.id: summary for summary in chosen}
        results = []
        for draft in drafts:
            summary = by_id.get(draft.shows[0]) if draft.shows and not draft.message.reply else None
            if (
                summary is not None
                and cards_available()
                and (appearance.image is Image.CARD or first_image(summary.body))
            ):
                draft = replace(draft, message=replace(draft.message, picture=Picture(b"", "", summary.paper.title)))
            results.append(draft)
        return results

    def picture(self, image: Image, channel: str, summary: Summary, *, required: bool = False) -> Picture | None:
        """Return the summary's picture; None if it has none. Raise PictureError if it cannot be fetched or made."""
        if image is Image.CARD:
            return self._cards.make(summary, self._config.platform(channel), required=required)
        address = first_image(summary.body) if image is Image.FIRST_IMAGE else None
        if address is None:
            return None
        url = urljoin(summary.link, address[0])
        if urlsplit(url).scheme not in ("http", "https"):
            raise PictureError(f"image {url[:60]}: is not a web address")
        content, media_type = _reencoded(self._fetched(url))
        title = plain_title(summary.paper.title)
        alt_text = address[1] or f"A figure from a summary of {title}"
        return Picture(content, media_type, truncate(sanitize(alt_text), MOST_ALT), required)

    def _fetched(self, url: str) -> bytes:
        fetcher = Fetcher(allow_private=self._allow_private, seconds=FETCH_SECONDS, most_bytes=MOST_BYTES)
        try:
            fetched = fetcher.fetch(url)
        except SourceError as error:
            raise PictureError(f"image {str(error).partition('; to allow it')[0]}") from error
        if fetched is None:  # "not modified", although no earlier version was known
            raise PictureError(f"image {url[:60]}: the server sends nothing")
        with fetched.file as file:
            file.seek(0)
            return file.read()


def _reencoded(content: bytes) -> tuple[bytes, str]:
    """Return the image re-encoded at a size that platforms accept, and its media type. Metadata, such as the author and
    location, is removed."""
    try:
        from PIL import Image as Pillow
        from PIL import ImageOps
    except ModuleNotFoundError as error:
        raise PictureError(f"no image library is installed: {MISSING}") from error
    try:
        with Pillow.open(io.BytesIO(content), formats=_FORMATS) as opened:
            if opened.width * opened.height > MOST_PIXELS:
                raise PictureError(f"image: has {opened.width} by {opened.height} pixels, which is too much")
            if opened.width == 1 or opened.height == 1:
                raise PictureError("image: is a tracking pixel")
            image: Any = ImageOps.exif_transpose(opened)
            image.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
            flat = image.convert("RGBA" if image.has_transparency_data else "RGB")
    except PictureError:
        raise
    except Exception as error:  # decoders may raise anything for a broken image
        raise PictureError(f"image: cannot be read ({type(error).__name__})") from error
    clean = Pillow.new("RGB", flat.size, "white")  # transparent areas would be black on some screens
    clean.paste(flat, mask=flat.getchannel("A") if flat.mode == "RGBA" else None)
    out = io.BytesIO()
    clean.save(out, "PNG", optimize=True)
    if out.tell() <= MOST_POSTED // 4:
        return out.getvalue(), "image/png"
    out = io.BytesIO()
    clean.save(out, "JPEG", quality=88)
    return out.getvalue(), "image/jpeg"
