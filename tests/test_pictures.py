"""Cards, images from the text, and getting them onto both platforms."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from helpers.basics import Clock, Feed, make_summary
from PIL import Image as Pillow

from digestbot.domain.errors import PictureError
from digestbot.domain.filters import DigestFilters
from digestbot.domain.model import CardDesign, Image, Order, Paper, Picture, PostStatus, Summary
from digestbot.ledger import alerts, backlog_views, manual_resolution, queries
from digestbot.pipeline.app import Service
from digestbot.pipeline.images import ImageBuilder, _reencoded
from digestbot.platforms.base import Platform
from digestbot.platforms.registry import FACEBOOK, TWITTER
from digestbot.rendering import cards
from digestbot.rendering.cards import CardMaker
from digestbot.rendering.typst_math import _is_mathematics, typeset
from digestbot.sandbox import Answer, Sandbox

Make = Callable[..., Service]
MAKER = CardMaker()
BODY = r"""# Idea

Adam keeps averages of the gradient, $m_t = \beta_1 m_{t-1} + (1-\beta_1) g_t$, and steps by
$$\theta_t = \theta_{t-1} - \alpha \frac{\hat m_t}{\sqrt{\hat v_t} + \epsilon}$$ It needs little memory.

* invariant to rescaling
"""


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    """SQLite alone: what is asked of the ledger here, tests/test_partial_threads.py asks of PostgreSQL too."""
    return f"sqlite:///{tmp_path / 'ledger.db'}"


def summary(**fields: Any) -> Summary:
    paper = Paper(
        "journals/corr/1412.6980",
        "Adam: A Method for Stochastic Optimization",
        authors=("Diederik P. Kingma", "Jimmy Ba"),
        venue="ICLR",
        year=2015,
    )
    return make_summary(1, **({"paper": paper, "body": BODY} | fields))


def size(picture: Picture) -> tuple[int, int]:
    with Pillow.open(io.BytesIO(picture.content)) as image:
        assert image.format == "PNG"
        return image.size


# ---- cards


@pytest.mark.parametrize(("platform", "pixels"), [(TWITTER, (1200, 675)), (FACEBOOK, (1200, 630))])
def test_a_card_and_what_it_says(platform: Platform, pixels: tuple[int, int]) -> None:
    picture = MAKER.make(summary(), platform)
    assert size(picture) == pixels
    assert picture.alt_text == (
        "Adam: A Method for Stochastic Optimization. Kingma and Ba · ICLR, 2015. Summary by Reader 1. "
        "Adam keeps averages of the gradient, m sub t equals beta sub 1 m sub t minus 1, plus open paren, "
        "1 minus beta sub 1, close paren times g sub t, and steps by theta sub t equals theta sub t minus 1, minus "
        "alpha the fraction with numerator m hat sub t and denominator the square root of v hat sub t, plus epsilon."
    )
    assert MAKER.make(summary(), platform).content == picture.content


def test_what_does_not_fit_is_neither_shown_nor_said() -> None:
    body = " ".join(f"Sentence number {number} says one more thing about the model at length." for number in range(40))
    alt = MAKER.make(summary(body=body), TWITTER).alt_text
    assert "Sentence number 2 " in alt
    assert "Sentence number 3 " not in alt
    assert len(alt) <= 420


def test_a_card_begins_with_the_excerpt() -> None:
    body = "I read this for our reading group. The authors show that one layer is enough for the task at hand."
    assert MAKER.make(summary(body=body), TWITTER).alt_text.endswith(
        "Reader 1. The authors show that one layer is enough for the task at hand."
    )
    listed = "Its loss:\n\n$$L = 1$$\n\nIt is small. It is fast. It is new."
    text = CardMaker(design=CardDesign.TEXT).make(summary(body=listed), TWITTER).alt_text
    assert text.endswith("Its loss: L equals 1. It is small. It is fast.")


@pytest.mark.parametrize(
    "body",
    [
        "",
        "$\\badmacro{x} \\frac{$ is broken, $#read(\"/etc/passwd\")$ is hostile, $x_1$ is well.",
        r"$\text{#sys.inputs}$ and $\mathrm{#panic()}$ and `#eval` #x @y *z* $$\href{http://x}{y}$$",
        "$" + "{" * 200 + "x" + "}" * 200 + "$ is deep",
        "$" + r"\frac{1}{" * 60 + "x" + "}" * 60 + "$ is deep too",
        "$" + "x^" * 900 + "2$ is long",
        "Great 🎉🔥 work 👨\u200d👩\u200d👧!",
        "word" * 400,
        "Ünïcödé ∀x∈ℝ: ⌈x⌉ ≥ 0, κόσμε, мир; “quotes” – dashes.",
        "\\begin{cases} a \\\\ b \\end{cases} $$\\begin{cases} x & y \\\\ 1 & 2 \\end{cases}$$ $\\undefined$ $\\mathbb{1}$",
    ],
)  # fmt: skip
def test_whatever_a_text_holds_makes_a_card(body: str) -> None:
    assert size(MAKER.make(summary(body=body), TWITTER)) == (1200, 675)


def test_a_formula_that_cannot_be_set_is_set_as_text() -> None:
    maker = CardMaker()
    with_bad = maker.make(summary(body=r"So $\undefinedmacro_1$ and $x_2$."), TWITTER)
    assert "undefinedmacro sub 1 and x sub 2" in with_bad.alt_text


def test_a_card_that_lacks_a_glyph_is_not_made() -> None:
    with pytest.raises(PictureError, match="could not be displayed"):
        MAKER.make(summary(body="In hieroglyphs: \U00013080\U00013081."), TWITTER)


def test_an_operators_template(tmp_path: Path) -> None:
    own = tmp_path / "own.typ"
    own.write_text(
        "#let card = json(bytes(sys.inputs.card))\n#set document(title: card.title)\n"
        "#set page(width: card.width * 1pt, height: card.height * 1pt)\n#card.title\n#metadata(0) <shown>"
    )
    assert size(CardMaker(own).make(summary(), TWITTER)) == (1200, 675)
    own.write_text("#nothing")
    with pytest.raises(PictureError, match=r"own\.typ:1:\d+: unknown variable: nothing"):
        CardMaker(own).make(summary(), TWITTER)
    with pytest.raises(PictureError, match="template not found"):
        CardMaker(tmp_path / "missing.typ").make(summary(), TWITTER)


def test_without_the_typesetter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cards, "find_spec", lambda name: None)
    with pytest.raises(PictureError, match=r"pip install 'digestbot\[cards\]'"):
        CardMaker().make(summary(), TWITTER)


# ---- images from the text


def png(width: int = 60, height: int = 40, mode: str = "RGB", **more: Any) -> bytes:
    out = io.BytesIO()
    Pillow.new(mode, (width, height), "red").save(out, more.pop("format", "PNG"), **more)
    return out.getvalue()


def test_an_image_is_written_anew_without_what_it_said_of_itself() -> None:
    from PIL.PngImagePlugin import PngInfo

    about = PngInfo()
    about.add_text("Author", "somebody at home")
    exif = Pillow.Exif()
    exif[0x010E] = "somebody at home"
    for content in (png(pnginfo=about, exif=exif), png(format="JPEG", exif=exif), png(mode="RGBA"), png(format="WEBP")):
        clean, media_type = _reencoded(content)
        assert b"somebody" not in clean
        assert media_type == "image/png"
        with Pillow.open(io.BytesIO(clean)) as image:
            assert image.size == (60, 40)
            assert not image.getexif()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "cannot be read"),
        (b"<html>no image</html>", "cannot be read"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "cannot be read"),
        (png()[:60], "cannot be read"),
        (png(9000, 5000), "pixels"),
    ],
)
def test_what_is_no_image_is_refused(content: bytes, words: str) -> None:
    with pytest.raises(PictureError, match=words):
        _reencoded(content)


def test_a_large_image_is_made_smaller() -> None:
    clean, _ = _reencoded(png(5000, 1000))
    with Pillow.open(io.BytesIO(clean)) as image:
        assert image.size == (2048, 410)


def test_a_strangers_image_is_not_fetched_from_a_private_network(make_service: Make, sandbox: Sandbox) -> None:
    service = make_service()  # whose source may be at a private address
    shown = summary(body=f"![a plot]({sandbox.url}/plot.png)")
    with pytest.raises(PictureError, match="private address"):
        service.post_builder.image_builder.picture(Image.FIRST_IMAGE, "x", shown)
    with pytest.raises(PictureError, match="not a web address"):
        service.post_builder.image_builder.picture(
            Image.FIRST_IMAGE, "x", summary(body="![x](data:image/png;base64,AAAA)")
        )
    assert service.post_builder.image_builder.picture(Image.FIRST_IMAGE, "x", summary(body="no picture")) is None


def test_the_first_image_with_its_words(make_service: Make, sandbox: Sandbox) -> None:
    sandbox.documents["/plot.png"] = lambda _: Answer(200, png(), content_type="image/png")
    image_builder = ImageBuilder(make_service().config, allow_private=True)
    body = f"Text. ![the *loss* curve]({sandbox.url}/plot.png) ![]({sandbox.url}/second.png)"
    picture = image_builder.picture(Image.FIRST_IMAGE, "x", summary(body=body))
    assert picture is not None
    assert picture.alt_text == "the loss curve"
    assert size(picture) == (60, 40)
    relative = summary(body="![](/plot.png)", link=f"{sandbox.url}/paper?x#y")
    picture = image_builder.picture(Image.FIRST_IMAGE, "x", relative)
    assert picture is not None
    assert picture.alt_text == "A figure from a summary of Adam: A Method for Stochastic Optimization"
    with pytest.raises(PictureError, match="404"):
        image_builder.picture(Image.FIRST_IMAGE, "x", summary(body=f"![]({sandbox.url}/no.png)"))


# ---- published


def run(service: Service, clock: Clock) -> None:
    service.tick()
    clock.forward(hours=1)
    service.tick()


def test_a_card_goes_with_the_post_on_both_platforms(
    make_service: Make, feed: Feed, sandbox: Sandbox, clock: Clock
) -> None:
    feed.add(1, body=BODY)
    service = make_service(image="card")
    run(service, clock)
    (tweet,), (post,) = sandbox.world.timelines["twitter"], sandbox.world.timelines["facebook"]
    for shown, pixels in ((tweet, (1200, 675)), (post, (1200, 630))):
        (media,) = shown.media
        picture = sandbox.world.pictures[media]
        assert picture.alt_text.startswith("Paper Number 1. Summary by Reader 1. Adam keeps averages")
        assert size(Picture(picture.content, picture.content_type, "")) == pixels
    assert post.link is None  # the picture stands in its place; the text has the address
    with service.ledger.read() as tx:
        x, page = queries.post_rows(tx)
    assert (x.cost, page.cost) == (205_000, 0)
    assert x.picture is not None
    assert x.picture.startswith("Paper Number 1")


def test_a_thread_has_its_card_at_the_first_part(
    make_service: Make, feed: Feed, sandbox: Sandbox, clock: Clock
) -> None:
    feed.add(1, body="Much is said here, and at some length. " * 30)
    run(make_service(image="card", shape="thread", channels=["x"]), clock)
    assert [len(tweet.media) for tweet in sandbox.world.timelines["twitter"]] == [1] + [0] * (
        len(sandbox.world.timelines["twitter"]) - 1
    )


def test_a_lost_answer_is_found_though_the_platform_adds_the_pictures_address(
    make_service: Make, feed: Feed, sandbox: Sandbox, clock: Clock
) -> None:
    feed.add(1, body=BODY)
    service = make_service(image="card", link="none", channels=["x"])
    service.tick()
    clock.forward(hours=1)
    sandbox.faults.add("drop-after")
    sandbox.faults.after(2)  # the upload and its alt text
    service.tick()
    clock.forward(minutes=1)
    service.tick()
    with service.ledger.read() as tx:
        assert [row.status for row in queries.post_rows(tx)] == [PostStatus.PUBLISHED]
    assert len(sandbox.world.timelines["twitter"]) == 1


@pytest.mark.parametrize("channel", ["x", "page"])
def test_a_picture_that_is_refused_is_left_out_or_holds_the_post(
    make_service: Make, feed: Feed, sandbox: Sandbox, clock: Clock, channel: str
) -> None:
    feed.add(1, body=BODY)
    sandbox.faults.refuse_pictures = True
    run(make_service(image="card", channels=[channel]), clock)
    timeline = sandbox.world.timelines["twitter"] if channel == "x" else sandbox.world.timelines["facebook"]
    (shown,) = timeline
    assert shown.media == []
    feed.add(2, body=BODY)
    held = make_service(image="card", image_failure="hold", channels=[channel])
    clock.forward(hours=4)
    held.tick()
    assert len(timeline) == 1
    with held.ledger.read() as tx:
        row = queries.post_rows(tx)[-1]
        assert row.status is PostStatus.FAILED  # it waits for the operator, the others continue
    sandbox.faults.refuse_pictures = False
    with held.ledger.begin() as tx:
        manual_resolution.resolve_post(tx, row.id, PostStatus.PENDING, None, clock())
    held.tick()
    assert len(timeline) == 2
    assert len(timeline[1].media) == 1


def test_a_picture_that_cannot_be_made_is_left_out_or_its_summary_waits(
    make_service: Make, feed: Feed, sandbox: Sandbox, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    feed.add(1, body="In hieroglyphs: \U00013080\U00013081.")
    feed.add(2, body="In letters.")
    held = make_service(image="card", image_failure="hold", channels=["x"])
    held.tick()
    clock.forward(hours=1)
    held.tick()
    (tweet,) = sandbox.world.timelines["twitter"]  # the other continues
    assert "Paper Number 2" in tweet.text
    with held.ledger.read() as tx:
        (alert,) = alerts.open_alerts(tx)
        assert (alert.kind, alert.subject) == ("pictures", "latest on x")
        (row,) = backlog_views.list_pending(tx, "latest", "x", Order.OLDEST, DigestFilters(), None, clock())
        assert row.waits_for.startswith("its picture: card card.typ")
    make_service(image="card", channels=["x"]).send("latest", 1)
    assert len(sandbox.world.timelines["twitter"]) == 2
    assert sandbox.world.timelines["twitter"][1].media == []
    assert "is posted without its picture" in caplog.text
    with held.ledger.read() as tx:
        assert alerts.open_alerts(tx) == []


def test_whatever_a_strangers_picture_raises_holds_nobody_up(
    make_service: Make, feed: Feed, sandbox: Sandbox, clock: Clock
) -> None:
    feed.add(1, body="Text ![x](http://[oops/a.png) here.")
    run(make_service(image="first-image", channels=["x"]), clock)
    assert len(sandbox.world.timelines["twitter"]) == 1


def test_media_that_are_refused_with_the_post_are_left_out(
    make_service: Make, feed: Feed, sandbox: Sandbox, clock: Clock
) -> None:
    feed.add(1, body=BODY)
    service = make_service(image="card", channels=["x"])
    service.tick()
    clock.forward(hours=1)
    taken = sandbox.world.pictures

    class Forgetful(dict):  # type: ignore[type-arg]
        def __contains__(self, key: object) -> bool:
            return False  # known when its alt text is set, and not any more at the post

    sandbox.world.pictures = Forgetful(taken)
    service.tick()
    (tweet,) = sandbox.world.timelines["twitter"]
    assert tweet.media == []


def test_the_ledger_forgets_a_picture_once_it_is_published(
    make_service: Make, feed: Feed, sandbox: Sandbox, clock: Clock
) -> None:
    import sqlalchemy as sa

    from digestbot.ledger.schema import pictures

    feed.add(1, body=BODY)
    service = make_service(image="card", channels=["x"])
    run(service, clock)
    with service.ledger.read() as tx:
        (row,) = tx.execute(sa.select(pictures)).all()
    assert row.content is None
    assert row.alt_text.startswith("Paper Number 1")


# ---- what a stranger's formula may not do


@pytest.mark.parametrize(
    "formula",
    [
        r'\operatorname{x") std.eval("(1+2)*1000") op("}',
        r'\text{x") std.read("card.typ") op("}',
        r'\operatorname{x") std.panic("PWN") op("}',
        r'\operatorname{x") sys.inputs.card op("}',
        r"\text{a` b}",
    ],
)
def test_a_formula_runs_no_code(formula: str) -> None:
    assert typeset(formula) is None
    assert size(MAKER.make(summary(body=f"A ${formula}$ b."), TWITTER)) == (1200, 675)


@pytest.mark.parametrize("word", ["std", "sys", "eval", "read", "panic", "import", "text", "lorem"])
def test_only_names_of_mathematics_reach_the_typesetter(word: str) -> None:
    assert not _is_mathematics(f'{word}.eval("1")')
    assert not _is_mathematics(f"x + {word}(y)")
    assert not _is_mathematics(f'"a" {word}')
    assert not _is_mathematics('"unfinished')
    assert not _is_mathematics("#x")
    assert _is_mathematics('sum_(i=1)^n x_i dot.o frac(a, "if") mat(delim: "[", 1, 2; 3, 4) \\ α')


@pytest.mark.parametrize(
    "macro", [r"\sqrt", r"\hat", r"\overline", r"\frac", r"\mathbf", "x^", r"x_\sqrt", r"\sqrt[\sqrt"]
)
def test_what_would_take_for_ever_is_set_as_text(macro: str) -> None:
    assert typeset(macro * 24 + "x") is None
    assert typeset(macro + "{x}" * 2) is not None or "[" in macro


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("#card.title", "does not say how many"),
        ("#card.title\n#metadata(\"x\") <shown>", "does not say how many"),
        ("#pagebreak()\n#metadata(0) <shown>", "makes 2 pages"),
        ("#card.widht", r"own\.typ:4:\d+: dictionary does not contain key"),
    ],
)  # fmt: skip
def test_mistakes_in_an_operators_template(tmp_path: Path, source: str, words: str) -> None:
    own = tmp_path / "own.typ"
    own.write_text(
        "#let card = json(bytes(sys.inputs.card))\n#set document(title: card.title)\n"
        f"#set page(width: card.width * 1pt, height: card.height * 1pt)\n{source}"
    )
    with pytest.raises(PictureError, match=words):
        CardMaker(own).make(summary(), TWITTER)


def test_private_characters_in_a_text_are_nobodys() -> None:
    picture = MAKER.make(summary(body="Text \ue150 with $x_1$ and \ue100."), TWITTER)
    assert picture.alt_text.endswith("Text with x sub 1 and .")


def test_a_displayed_formula_ends_its_sentence_in_the_alt_text() -> None:
    text = CardMaker(design=CardDesign.TEXT).make(summary(body="So $$a = b$$ The rest."), TWITTER).alt_text
    assert text.endswith("So a equals b. The rest.")


def test_the_documentations_small_template_makes_a_card(tmp_path: Path) -> None:
    docs = (Path(__file__).parent.parent / "docs" / "templates.md").read_text()
    (tmp_path / "own.typ").write_text(docs.partition("```typst\n")[2].partition("```")[0])
    picture = CardMaker(tmp_path / "own.typ").make(summary(), FACEBOOK)
    assert size(picture) == (1200, 630)
    assert "Adam keeps averages" in picture.alt_text


@pytest.mark.parametrize(
    ("formula", "typst"),
    [
        (r"\|x-\mu\|_2^2", "norm(x - mu)_2^2"),
        (r"|S|", "lr(|S|)"),
        (r"|x| + |y|", "lr(|x|) + lr(|y|)"),
        (r"p(z|x)", "p(z | x)"),
        (r"D(P \| Q)", "D(P bar.v.double Q)"),
        (r"\begin{equation} x \end{equation}", "x"),
        (r"\begin{gather} a\\b\end{gather}", r"a \ b"),
        (r"\begin{multline} a\\b\end{multline}", r"a \ b"),
        (r"\begin{split} a&=b\end{split}", "a &= b"),
        (r"{\bf x}+1", "upright(bold(x)) + 1"),
        (r"\boxed{x}", "x"),
        (r"\R^n", "RR^n"),
        (r"\norm{x}_2", "norm(x)_2"),
        (r"\abs{x}", "lr(|x|)"),
    ],
)
def test_delimiters_environments_and_common_macros_are_typeset(formula: str, typst: str) -> None:
    assert typeset(formula) == typst
    MAKER.make(summary(body=f"So ${formula}$."), TWITTER)


@pytest.mark.parametrize(
    "body",
    [
        "这篇论文提出了一种新的注意力机制。它很快。",
        "本論文では新しい手法を提案する。",
        "이 논문은 새로운 방법을 제안한다.",
        "המאמר מציע שיטה חדשה.",
        "It is fast 🎉 and new.",
    ],
)
def test_scripts_for_which_packages_bring_a_font(body: str) -> None:
    assert size(MAKER.make(summary(body=body), TWITTER)) == (1200, 675)


def test_a_script_without_a_font_makes_no_card_on_any_machine() -> None:
    with pytest.raises(PictureError, match="could not be displayed"):
        MAKER.make(summary(body="வணக்கம் உலகம் இது."), TWITTER)


def test_a_formula_that_would_become_too_small_is_set_as_text() -> None:
    long = " + ".join(f"x_{{{number}}} y_{{{number}}}" for number in range(30))
    picture = MAKER.make(summary(body=f"The sum is $${long}$$"), TWITTER)
    small = MAKER.make(summary(body="The sum is $$x_1 y_1$$"), TWITTER)
    assert size(picture) == (1200, 675)
    assert picture.content != small.content


@pytest.mark.parametrize("design", list(CardDesign))
def test_designs(design: CardDesign) -> None:
    maker = CardMaker(design=design)
    plain = maker.make(summary(body="We drop recurrence. It is fast. It is new. It is small."), TWITTER)
    central = maker.make(summary(body="We drop recurrence. It is $$a = b$$"), TWITTER)
    assert size(plain) == size(central) == (1200, 675)
    assert ("recurrence" in plain.alt_text) == (design is not CardDesign.TITLE)
    shows_formula_only = design in (CardDesign.AUTO, CardDesign.FORMULA)
    assert ("recurrence" in central.alt_text) == (design is not CardDesign.TITLE and not shows_formula_only)
    assert central.alt_text.endswith("It is a equals b.") == (design is not CardDesign.TITLE)


def test_a_label_on_a_card_is_before_its_text() -> None:
    alt = MAKER.make(summary(body="**Problem:** it is slow.\n**Solution:** a small net."), TWITTER).alt_text
    assert alt.endswith("Problem: it is slow. Solution: a small net.")
