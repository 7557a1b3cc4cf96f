"""Templates: limits kept, links whole, mistakes reported with their line, nothing dangerous reachable."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers.basics import make_summary
from hypothesis import given
from hypothesis import strategies as st

from digestbot.config import Appearance
from digestbot.domain.errors import RenderError
from digestbot.domain.model import Message, Paper, Summary
from digestbot.platforms.base import Platform
from digestbot.platforms.registry import FACEBOOK, PLATFORMS, TWITTER
from digestbot.platforms.twitter.length import weighted_length
from digestbot.rendering.renderer import Renderer, RenderTarget
from digestbot.text import find_urls

BUILT_IN = Renderer()
LINK = "http://www.shortscience.org/paper?bibtexKey=conf/nips/RenHGS15#ada"


def post(summary: Summary, platform: Platform = TWITTER, renderer: Renderer = BUILT_IN) -> Message:
    look = Appearance()
    (draft,) = renderer.drafts(look, RenderTarget("latest", "x", platform, {}), [summary])
    return draft.message


def own(tmp_path: Path, text: str, platform: str = "twitter") -> Renderer:
    (tmp_path / f"summary.{platform}.txt.j2").write_text(text, encoding="utf-8")
    return Renderer(tmp_path)


def test_a_post_on_x() -> None:
    message = post(
        make_summary(1, body="# Idea\n\nIt *works*, see [code]().\n\n* fast\n* small\n\nAnd `cheap`.", link=LINK)
    )
    assert (
        message.text == f"Paper Number 1\nSummary by Reader 1\n\nIt works, see code. fast; small. And cheap.\n\n{LINK}"
    )
    assert message.link is None


def test_a_post_on_facebook() -> None:
    message = post(make_summary(1, body="# Idea\n\nIt *works*.\n\n* fast\n* small", link=LINK), FACEBOOK)
    assert message.text == f"Paper Number 1\nSummary by Reader 1\n\nIdea\n\nIt works.\n\n• fast\n• small\n\n{LINK}"
    assert message.link == LINK


def test_anonymous_stays_anonymous() -> None:
    for platform in PLATFORMS.values():
        text = post(make_summary(1, writer=None, handle=None, link=LINK.replace("#ada", "#anon")), platform).text
        assert "Anonymous summary" in text
        assert "Reader" not in text


def test_a_summary_without_text_still_makes_a_post() -> None:
    assert post(make_summary(1, body="", link=LINK)).text == f"Paper Number 1\nSummary by Reader 1\n\n{LINK}"


def test_a_writers_name_pings_nobody() -> None:
    assert "Summary by elon\n" in post(make_summary(1, writer="@elon", body="")).text
    assert "Anonymous summary" in post(make_summary(1, writer="\u200b", body="")).text


@given(
    title=st.text(max_size=600),
    writer=st.none() | st.text(max_size=200),
    body=st.text(max_size=2000),
    handle=st.text(max_size=30),
)
def test_any_summary_makes_a_post_within_the_limit_with_its_link_whole(
    title: str, writer: str | None, body: str, handle: str
) -> None:
    from digestbot.text import ascii_link

    link = f"http://www.shortscience.org/paper?bibtexKey=k/{handle.encode().hex()}#anon"
    summary = make_summary(1, paper=Paper("k", title), writer=writer, body=body, link=link)
    for platform in PLATFORMS.values():
        message = post(summary, platform)
        limit = platform.limit
        assert limit.measure(message.text) <= limit.most
        assert message.text.endswith("\n" + ascii_link(link)) or message.text == ascii_link(link)
        assert find_urls(message.text)[-1] == ascii_link(link)


def test_an_operators_template_wins_by_name(tmp_path: Path) -> None:
    renderer = own(
        tmp_path,
        "{{ paper.title | upper }} {{ digest.name }} {{ channel.name }} {{ channel.limit }} {{ summary.votes }}",
    )
    assert post(make_summary(1), renderer=renderer).text == "PAPER NUMBER 1 latest x 280 3"
    assert "Paper Number 1" in post(make_summary(1), FACEBOOK, renderer).text  # the built-in one


def test_fit_fills_what_is_left_and_no_more(tmp_path: Path) -> None:
    renderer = own(tmp_path, "{{ summary.lead | fit }}\n{{ summary.lead | fit }}\n{{ summary.link }}")
    message = post(make_summary(1, body="wörd " * 200, link=LINK), renderer=renderer)
    assert 270 <= weighted_length(message.text) <= 280
    assert message.text.endswith(f"…\n\n{LINK}")


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("line one\n{{ summary.nothing }}", "line 2: .*nothing"),
        ("{{ nothing }}", "line 1: 'nothing' is undefined"),
        ("{% if x %}", "line 1: .*endif"),
        ("a\n\n{{ paper.title | nofilter }}", "line 3: .*nofilter"),
        ("{{ 1 / 0 }}", "line 1: division"),
        ("{% for i in range(99999999) %}x{% endfor %}", "line 1: .*range"),
        ("{{ ''.__class__.__mro__ }}", "unsafe|line 1"),
        ("{{ [summary] | join(attribute='__class__') }}", "unsafe"),
        ("{{ [summary] | join(attribute='__init__') }}", "unsafe"),
        ("{% set a %}{% for i in range(9000) %}" + "y" * 300 + "{% endfor %}{% endset %}x", "characters in total"),
        (
            "{% macro m() %}{{ 'y' * 9000 }}{% endmacro %}{% for i in range(900) %}{% set a = m() %}{% endfor %}",
            "in total",
        ),
        ("{{ summary.text | fit }}{{ 'x' * 300 }}", "over the limit of 280"),
        ("{# nothing #}", "makes an empty post"),
        ("{% include 'missing.j2' %}", "missing.j2"),
        (
            "\n{% for a in range(999) %}{% for b in range(999) %}{% endfor %}{% endfor %}",
            "line 2: loops take more than",
        ),
        (
            "{% macro m(n) %}{% if n %}{{ m(n - 1) }}{{ m(n - 1) }}{% endif %}{% endmacro %}{{ m(40) }}",
            "loops take more",
        ),
        ("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "line 1: "),
        (
            "{% set ns = namespace(x='ab') %}{% for i in range(40) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}",
            "makes more",
        ),
        (
            "{% set ns = namespace(x='ab') %}{% for i in range(40) %}{% set ns.x = ns.x + ns.x %}{% endfor %}",
            "renders too much text",
        ),
        (
            "{% set ns = namespace(x=[1]) %}{% for i in range(40) %}{% set ns.x = ns.x + ns.x %}{% endfor %}",
            "renders too much text",
        ),
        ("{{ ('a' * 9999) | replace('a', 'b' * 9999) }}", "makes more than"),
        ("{{ ('a' * 9999).replace('a', 'b' * 9999) }}", "unsafe"),
        ("{{ 'a'.join(range(99999)) }}", "unsafe"),
        ("{{ range(99999) | join('b' * 999) }}", "makes more than"),
        ("{{ 'x' * 999999999 }}", "renders too much text"),
        ("{{ [1] * 999999999 }}", "renders too much text"),
        ("{{ 2 ** 999999 }}", "too large"),
        ("{{ '%0999999999d' % 1 }}", "with %"),
        ("{{ 'x'.center(999999999) }}", "unsafe"),
        ("{{ 'x' | center(999999999) }}", "No filter"),
        ("{{ lipsum() }}", "undefined"),
        ("{{ [1] | batch(999999999, 'x') | list }}", "No filter"),
    ],
)
def test_templates_that_fail(tmp_path: Path, template: str, words: str) -> None:
    with pytest.raises(RenderError, match=words) as caught:
        post(make_summary(1), renderer=own(tmp_path, template))
    assert "summary.twitter.txt.j2" in str(caught.value) or "missing.j2" in str(caught.value)


def test_a_template_that_is_missing_or_no_text(tmp_path: Path) -> None:
    with pytest.raises(RenderError, match=rf"other\.twitter\.txt\.j2: not found in {tmp_path} or "):
        Renderer(tmp_path).drafts(Appearance(template="other"), RenderTarget("d", "c", TWITTER, {}), [make_summary(1)])
    (tmp_path / "summary.twitter.txt.j2").write_bytes(b"\xff\xfe")
    with pytest.raises(RenderError, match="not UTF-8"):
        post(make_summary(1), renderer=Renderer(tmp_path))


def test_macros_of_another_file_work_with_the_filters(tmp_path: Path) -> None:
    (tmp_path / "lib.j2").write_text(
        "{% macro line(s) %}{% for i in range(2) %}{{ s | cut(9) }}{{ i }} {% endfor %}{{ 'a' ~ 'b' }}{% endmacro %}"
    )
    renderer = own(
        tmp_path,
        "{% import 'lib.j2' as lib %}{{ lib.line(paper.title) }} {{ ['x', 'y'] | join('-') | replace('y', 'z') }}",
    )
    assert post(make_summary(1), renderer=renderer).text == "Paper…0 Paper…1 ab x-z"


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{{ ['Shaoqing Ren', 'Kaiming He', 'Ross B. Girshick', 'Jian Sun'] | names }}", "Ren, He, Girshick and Sun"),
        ("{{ ['Shaoqing Ren', 'Kaiming He', 'Ross B. Girshick'] | names(2) }}", "Ren et al."),
        ("{{ ['Diederik P. Kingma', 'Jimmy Ba'] | names(2) }}", "Kingma and Ba"),
        (
            "{{ ['Laurens van der Maaten', 'Plato', 'Martin King Jr.', '李明'] | names }}",
            "van der Maaten, Plato, King and 李明",
        ),
        ("{{ ['Wei Wang 0001', 'Li Na', 'others'] | names }}", "Wang et al."),
        (
            "{{ ['{The ATLAS Collaboration}', 'The CMS Collaboration'] | names }}",
            "The ATLAS Collaboration and The CMS Collaboration",
        ),
        ("a{{ ['others'] | names }}", "a"),
        ("a{{ [] | names }}", "a"),
        ("{{ '*so* $x_1$' | plain }}", "so x₁"),
        ("{{ '\\\\alpha^2' | math }}", "α²"),
        ("{{ summary.paper.title }} {{ digest.heading }}", "Paper Number 1 Best of the week"),
    ],
)
def test_filters_and_values(tmp_path: Path, template: str, text: str) -> None:
    assert post(make_summary(1), renderer=own(tmp_path, template)).text == text


def test_a_summarys_text_is_never_a_template() -> None:
    assert "{{ 7 * 7 }}" in post(make_summary(1, body="{{ 7 * 7 }} {% raise %}")).text
