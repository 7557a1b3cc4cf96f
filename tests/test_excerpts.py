"""The choice of an excerpt: by named rules, as an editor would, and where operators see it."""

from __future__ import annotations

import re

import pytest
from helpers.basics import make_summary

from bench.excerpts import HELD_BACK, TUNING, verdicts
from digestbot.domain.model import ExcerptPolicy, Paper
from digestbot.rendering.renderer import SummaryView
from digestbot.text import UNBROKEN, Excerpt, TextSection, section_of, sentences
from digestbot.text.labels import split_label, without_metadata
from digestbot.text.languages import LANGUAGES, alternatives, labels, pattern
from digestbot.text.languages.base import Language
from digestbot.text.markdown import blocks

ROOM = 170


def chosen(body: str, room: int = ROOM, title: str = "A Paper", *, beginning: bool = False) -> tuple[str, str]:
    choice = SummaryView(make_summary(1, body=body, paper=Paper("key", title)), "", beginning=beginning).lead.within(
        room
    )
    return choice.text.replace(UNBROKEN, " "), choice.rule


REST = " The rest of the text goes on about the details of the experiments, which nobody needs to read in a short post."
NEXT = " The authors show that a single layer is enough to solve the task in a tenth of the time." + REST
FOUND = "The authors show that a single layer is enough to solve the task in a tenth of the time."


@pytest.mark.parametrize(
    "first",
    [
        "I read this paper for our reading group on Tuesday.",
        "Thanks to Priya for pointing me to this one!",
        "This is a really nice and well written paper.",
        "Object detection is the task of drawing boxes around things.",
        "Often, labels are missing.",
        "Recent work has shown that networks can be pruned.",
        "This paper deals with the question of what networks learn.",
        "This work expands on earlier models.",
        "Code is available at the authors' page.",
        "Does depth matter?",
        "(Cross-posted from my blog.)",
        "It is commonly believed that flat minima generalise better.",
        "Unfortunately, no code was released.",
        "Das Erkennen von Objekten ist eine Aufgabe der Bildverarbeitung.",
        "Ces dernières années, les réseaux ont beaucoup progressé.",
        "En los últimos años las redes han mejorado.",
        "В последние годы сети стали лучше.",
        "近年来，深度学习发展迅速。",
        "近年、深層学習は広く使われている。",
        "अक्सर आँकड़े अधूरे होते हैं।",
        "في السنوات الأخيرة تطورت الشبكات.",
    ],
)
def test_a_beginning_that_must_not_lead(first: str) -> None:
    assert chosen(first + NEXT) == (FOUND, "what was found or proposed")
    assert chosen(first + NEXT, beginning=True)[0].startswith(first)


@pytest.mark.parametrize(
    ("body", "text", "rule"),
    [
        ("We drop recurrence altogether." + REST + REST, "We drop recurrence altogether.", "the beginning"),
        (f"It is long.{REST}\n\n**TL;DR:** Depth is enough.", "Depth is enough.", "the writer's TL;DR"),
        (
            "Often, nets are big. A bigger one is 3 times better than before. The main idea is to share the weights."
            + REST,
            "The main idea is to share the weights.",
            "the key idea",
        ),
        (
            "Often, nets are big. Somebody said so once in a talk. Ours is 3.5 times faster than all of the others."
            + REST,
            "Ours is 3.5 times faster than all of the others.",
            "a comparison with a number",
        ),
        ("It depends on the learning rate.", "It depends on the learning rate.", ""),
    ],
)
def test_rules(body: str, text: str, rule: str) -> None:
    found, why = chosen(body, 100)
    assert found.startswith(text)
    assert why == rule


def test_typical_misses() -> None:
    paper = (
        "Paper: https://arxiv.org/abs/1706.03762 Code: https://github.com/x/y Year: 2017 The model drops recurrence."
    )
    assert chosen(paper + REST)[0].startswith("The model drops recurrence.")
    listed = f"The contributions are:\n\n1. a dataset\n2. a model\n\n{REST}"
    assert chosen(listed)[0].startswith("The contributions are: (1) a dataset; (2) a model.")
    assert chosen(f"Rating: 7/10\n\nConfidence: 4\n\nWe halve the error.{REST}")[0].startswith("We halve the error.")
    assert chosen(f"**A Paper**\n\nWe halve the error.{REST}")[0].startswith("We halve the error.")
    assert chosen(f"by J. Doe and A. Roe, 2020\n\nWe halve the error.{REST}")[0].startswith("We halve the error.")
    assert (
        chosen(f"We halve the error. See also the appendix, as well as the {'very ' * 40}long list.")[0]
        == "We halve the error."
    )
    assert chosen("")[0] == ""


def test_an_excerpt_never_begins_with_what_refers_back_or_ends_with_an_announcement() -> None:
    body = f"Often, nets are big. However, they can be pruned. They win by 5%. The result is:\n\n{REST}"
    text, _ = chosen(body, 60)
    assert not re.match(r"However|They", text)
    assert not text.endswith(":")


FLAT = (
    "**Image matching** is the task of finding the same place in two photographs. Usually, corners are found first. (see "
    "[an old method](http://example.org/a.pdf)). The paper introduces MNets (Matching Networks). They match without corners.The "
    "loss is simple. ## See also * [R-Match](http://example.org/1) * [Fast R-Match](http://example.org/2)"
)


def test_a_summary_that_lost_its_line_breaks() -> None:
    text, _ = chosen(FLAT, 90, "Matching Networks")
    assert text == "The paper introduces MNets (Matching Networks). They match without corners."
    whole = SummaryView(make_summary(1, body=FLAT), "").text
    assert whole.endswith("They match without corners. The loss is simple.")
    listed = (
        "This paper deals with what nets learn. ## Key contributions * Nets easily fit random labels. * They fit noise."
    )
    assert chosen(listed, 60)[0] == "Nets easily fit random labels. They fit noise."
    strengths = "It is fast. ## Strengths - Works in real time. - Simple to train. ## Weaknesses - None."
    shown = SummaryView(make_summary(1, body=strengths), "").text
    assert shown == "It is fast.\n\nStrengths\n\n• Works in real time.\n• Simple to train.\n\nWeaknesses\n\n• None."


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ("We use Poincar\\'e maps and Erd\\H{o}s graphs.", ["We use Poincaré maps and Erdős graphs."]),
        ("    Indented.\n\n    But it is prose.", ["Indented.", "But it is prose."]),
        ("Begin. ## What is new? The method is small. It works.",
         ["Begin.", "heading What is new?", "The method is small. It works."]),
        ("The loss. # Method We train it. It is good.", ["The loss.", "heading Method", "We train it. It is good."]),
        ("Begin. ## Deep residual learning We train it. It is good.",
         ["Begin.", "heading Deep residual learning", "We train it. It is good."]),
        ("# Results are good for the model. Others say so.", ["heading Results are good for the model.", "Others say so."]),
        ("Written in C # and fast. By Theorem 1. The bound holds and 2. another.",
         ["Written in C # and fast. By Theorem 1. The bound holds and 2. another."]),
        ("It says so. ![](https://a.b/c.png) * First point. * Second point.",
         ["It says so.", "item First point.", "item Second point."]),
        ("We write f(x) * g and (a) * b for it.", ["We write f(x) * g and (a) * b for it."]),
        ("**Problem** Labels lie. **Results** 3 % better.", ["label Problem", "Labels lie.", "label Results", "3 % better."]),
        ("- **Method** We do it.\n- **Result** It works.", ["label Method", "item We do it.", "label Result", "item It works."]),
        ("The **Model** We use. **Small** It is.", ["The Model We use. Small It is."]),
        ("Steps: 1. Read it. 2. Write it.", ["Steps:", "item Read it.", "item Write it."]),
    ],
)  # fmt: skip
def test_structure_that_is_repaired(body: str, found: list[str]) -> None:
    assert [f"{block.kind} {block.text}".removeprefix("paragraph ") for block in blocks(body)] == found


def test_a_label_that_is_gone_leaves_a_capital_letter() -> None:
    assert (
        Excerpt.of(blocks("the loss is bounded by the margin.")).within(200).text
        == "The loss is bounded by the margin."
    )


def test_agreement_with_an_editor() -> None:
    for part, least, most in ((HELD_BACK, 0.7, 0.12), *((part, 0.75, 0.14) for part in TUNING)):
        found = verdicts(part)
        assert sum(one.accepted for one in found) >= least * len(found), part
        assert sum(one.rejected for one in found) <= most * len(found), part
        good = [one for one in found if one.good_beginning]
        assert sum(one.accepted for one in good) >= 0.85 * len(good), part
        plain = verdicts(part, ExcerptPolicy.BEGINNING)
        assert sum(one.accepted for one in plain) < sum(one.accepted for one in found), part
        assert all(len(one.excerpt) <= 280 for one in found)


# ---- languages


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_language_is_whole(language: Language) -> None:
    assert set(language.labels) == set(TextSection)
    for name in ("notes", "verdicts", "background", "topics", "pointers", "caveats", "refers_back", "key", "findings"):
        assert getattr(language, name), name


def test_all_words_are_regular_expressions() -> None:
    for name in ("abbreviations", "may_end", "numbered"):
        assert re.compile(alternatives(name))
    for name in Language.__dataclass_fields__:
        if name not in ("labels", "abbreviations", "may_end", "numbered"):
            assert not pattern(name).search("zzz")
    for section in TextSection:
        assert re.compile(labels(section))


@pytest.mark.parametrize(
    ("line", "label", "rest"),
    [
        ("Summary: The model learns.", "Summary", "The model learns."),
        ("Abstract—We present a net.", "Abstract", "We present a net."),
        ("Abstract. We present a net.", "Abstract", "We present a net."),
        ("TL;DR It works.", "TL;DR", "It works."),
        ("Conclusion first: It works.", "Conclusion", "It works."),
        ("摘要：本文提出新方法。", "摘要", "本文提出新方法。"),
        ("Hauptidee: Weniger ist mehr.", "Hauptidee", "Weniger ist mehr."),
        ("Résumé : le réseau est petit.", "Résumé", "le réseau est petit."),
        ("Основная идея: меньше.", "Основная идея", "меньше."),
    ],
)
def test_labels(line: str, label: str, rest: str) -> None:
    assert split_label(line) == (label, rest)


def test_what_is_no_label() -> None:
    for line in ("The model is small.", "Results are good.", "summary of the paper", "A: b", "Ideas. are"):
        assert split_label(line) is None


def test_sections() -> None:
    assert section_of("Key contributions") is TextSection.KEY
    assert section_of("3. Results") is TextSection.RESULTS
    assert section_of("Weaknesses / Notes") is TextSection.OPINION
    assert section_of("See also") is TextSection.REFERENCES
    assert section_of("What nobody knows") is TextSection.BODY


def test_metadata_lines() -> None:
    assert without_metadata("Authors: K. He, J. Sun; Tags: detection, cnn") == ""
    assert without_metadata("Rating: 7/10 (good). The paper is short.") == "The paper is short."
    assert without_metadata("Year: 2015. We show it.") == "We show it."
    prose = "Code: the code of the paper was a joy to read and to run for once."
    assert without_metadata(prose) == prose
    assert without_metadata("Authors: J. Smith, A. Doe. We propose a method.") == "We propose a method."
    assert without_metadata("Score: 6 (marginally above the threshold)") == ""


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("By Smith et al. The loss falls. By J. Smith. He left.", ["By Smith et al.", "The loss falls.", "By J. Smith.", "He left."]),
        ("Kingma et al. Variational Bayes.", ["Kingma et al. Variational Bayes."]),
        ("Das zeigt z. B. Abb. 2 (vgl. S. 5). Am 3. Mai war es so. Gut.",
         ["Das zeigt z. B. Abb. 2 (vgl. S. 5).", "Am 3. Mai war es so.", "Gut."]),
        ("Это видно на рис. 3 и др. Далее.", ["Это видно на рис. 3 и др. Далее."]),
        ("परिणाम अच्छे हैं। यह तेज़ है।", ["परिणाम अच्छे हैं।", "यह तेज़ है।"]),
        ("方法很好。它很快。", ["方法很好。", "它很快。"]),
        ("هل يعمل؟ نعم.", ["هل يعمل؟", "نعم."]),
        ("They find: 1. it works and 2. it is fast. Good.", ["They find: 1. it works and 2. it is fast.", "Good."]),
    ],
)  # fmt: skip
def test_sentences(text: str, parts: list[str]) -> None:
    assert sentences(text) == parts
