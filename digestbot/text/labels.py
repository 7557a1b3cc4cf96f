"""The labels and headings of summaries ("Main idea:", "TL;DR", "Code: https://…"), and what each says of its text."""

from __future__ import annotations

import re
from enum import Enum


class TextSection(Enum):
    """What a heading or a label says of the text under it."""

    TLDR = "TL;DR"
    KEY = "key idea"
    RESULTS = "results"
    BODY = "body"
    BACKGROUND = "background"
    OPINION = "opinion"
    METADATA = "metadata"
    REFERENCES = "references"


_WORDS = {
    TextSection.TLDR: (
        "tl;dr|tl:dr|tldr|tl; dr|tl dr|in short|in a nutshell|in brief|in one sentence|one[- ]sentence summary|"
        "one[- ]line summary|one[- ]liner|bottom line|short version|gist|the gist|kurz gesagt|kurzfassung|kurz|in kürze|"
        "en bref|en résumé|en resumen|en breve|коротко|кратко|если коротко|вкратце|一句话总结|一句话|简而言之|太长不看|"
        "要するに|一言で|一言でいうと|संक्षेप में|باختصار"
    ),
    TextSection.KEY: (
        "(?:the )?(?:main|key|core|big|central|basic|high[- ]level|general) (?:ideas?|points?|contributions?|insights?|"
        "takeaways?|take[- ]aways?|results?|findings?|claims?|messages?|observations?|concepts?|innovations?|novelty)|"
        "(?:the )?ideas?|contributions?|takeaways?|take[- ]aways?|take[- ]home(?: message)?s?|novelty|insights?|"
        "what(?:'s| is) new|what they did|what (?:do|did) they do|proposed (?:method|approach|solution|model)|"
        "kernidee|hauptidee|(?:die )?(?:grund)?idee|beitrag|beiträge|kernaussage|fazit|"
        "(?:l')?idée (?:principale|clé)|idée|contributions? principales?|apports?|"
        "(?:la )?idea (?:principal|clave)|aporte|aportaciones?|contribución|contribuciones|"
        "(?:основная|главная|ключевая) (?:идея|мысль)|идея|вклад|суть|"
        "主要贡献|贡献|核心思想|核心思路|主要思想|主要思路|关键思想|要点|创新点|アイデア|主なアイデア|貢献|ポイント|要点|主な貢献|"
        "मुख्य विचार|मुख्य योगदान|योगदान|الفكرة الرئيسية|الفكرة|المساهمة|المساهمات"
    ),
    TextSection.RESULTS: (
        "(?:main |key |experimental |empirical )?(?:results?|findings?|conclusions?|outcomes?)|what they (?:found|show)|"
        "conclusion and discussion|ergebnisse?|schlussfolgerung|résultats?|conclusion|resultados?|conclusiones|"
        "conclusión|результаты?|выводы?|结果|结论|实验结果|結果|結論|परिणाम|निष्कर्ष|النتائج|الخلاصة"
    ),
    TextSection.BODY: (
        "(?:paper |short |brief |quick )?summary|abstract|overview|synopsis|description|methods?|methodology|approach|"
        "model|models|architecture|algorithm|technique|solution|implementation|details?|technical details?|how it works|"
        "how|what|setup|experiments?|evaluation|data|datasets?|training|theory|analysis|discussion|content|review|"
        "zusammenfassung|überblick|methode|ansatz|verfahren|modell|versuche|experimente|"
        "résumé|aperçu|méthode|approche|modèle|expériences|resumen|método|enfoque|modelo|experimentos|"
        "аннотация|резюме|обзор|метод|методы|подход|модель|эксперименты|"
        "摘要|概要|总结|简介|方法|模型|实验|要約|概要|手法|提案手法|実験|सारांश|विधि|ملخص|الملخص|الطريقة|المنهجية"
    ),
    TextSection.BACKGROUND: (
        "(?:notation|definitions?|preliminaries|setting|history|introduction|intro|background|motivation|problem|problem statement|the problem|context|related work|"
        "prior work|previous work|preliminaries|task|goal|objective|purpose|why|question|research question)s?|"
        "einleitung|hintergrund|motivation|problem(?:stellung)?|ziel|frage|introduction|contexte|problème|objectif|"
        "introducción|contexto|problema|objetivo|motivación|введение|мотивация|проблема|задача|цель|"
        "背景|动机|问题|引言|研究背景|背景|動機|課題|問題|目的|पृष्ठभूमि|समस्या|उद्देश्य|الخلفية|المشكلة|الهدف"
    ),
    TextSection.OPINION: (
        "strengths?|weakness(?:es)?|strong points?|weak points?|pros?|cons?|advantages?|disadvantages?|positives?|"
        "soundness|clarity|originality|significance|quality|reproducibility|relevance|"
        "negatives?|limitations?|shortcomings?|drawbacks?|comments?|(?:my |additional |general )?(?:opinions?|thoughts?|"
        "comments|notes?|take|impressions?|critique|criticisms?|verdict|questions?|remarks?)|questions?|"
        "open questions?|future work|notes?|funny|what i (?:learned|liked|didn't like|think)|misc|"
        "stärken|schwächen|vorteile|nachteile|grenzen|kommentar|kritik|meine meinung|forces|faiblesses|limites|critique|"
        "avis|commentaires?|fortalezas|debilidades|limitaciones|comentarios?|críticas?|мнение|плюсы|минусы|ограничения|"
        "комментари[ий]|замечания|优点|缺点|不足|局限|评论|讨论|点评|長所|短所|感想|コメント|課題点|"
        "सीमाएँ|टिप्पणी|القيود|نقاط القوة|نقاط الضعف|تعليق"
    ),
    TextSection.METADATA: (
        "papers?|code|source code|authors?|tags?|year|venue|links?|urls?|project(?: page)?|website|webpage|published|"
        "publication(?: date)?|date|keywords?|source|github|repo|repository|demo|videos?|talk|blog(?: post)?|slides|"
        "poster|conference|journal|doi|arxiv|pdf|openreview|paper link|code link|link to (?:the )?(?:paper|code)|"
        "paper title|title|citations?|bibtex|affiliations?|institutions?|pages|language|read(?: on)?|reviewed by|"
        "ratings?|scores?|overall(?: score| rating)?|confidence|recommendation|decision|edit|edited|"
        "disclaimer|posted|topics?|category|"
        "autor(?:en)?|schlagw(?:o|ö)rte?r?|jahr|bewertung|quelle|auteurs?|mots[- ]clés|année|autor(?:es)?|"
        "palabras clave|año|puntuación|авторы?|год|ссылка|код|статья|ключевые слова|оценка|теги|"
        "论文|论文链接|代码|代码链接|作者|年份|关键词|链接|评分|会议|標題|标题|論文|著者|コード|年|キーワード|リンク|評価|"
        "लेखक|कोड|वर्ष|المؤلفون|الكود|السنة|الرابط|الكلمات المفتاحية"
    ),
    TextSection.REFERENCES: (
        "see also|references?|further reading|related (?:links|reading|summaries)|bibliography|resources|useful links|"
        "more (?:info|information)|external links|acknowledge?ments?|footnotes|siehe auch|literatur|quellen|voir aussi|"
        "références|véase también|referencias|см\\. также|литература|ссылки|参考文献|相关链接|延伸阅读|参考|関連|"
        "संदर्भ|المراجع"
    ),
}
_KINDS = [(kind, re.compile(rf"(?:{words})", re.IGNORECASE)) for kind, words in _WORDS.items()]
_ALL = "|".join(_WORDS.values())
_PLAIN = re.compile(
    rf"[\"'“*]?({_ALL})[\"'”*]?[ \u00a0]*(?:\([^()\n]{{1,30}}\))?(?:\s(?:first|so far|in (?:short|brief|one line)|(?:of|for) (?:the |this |my )?[\w-]+(?: [\w-]+)?)(?=[ ]?[:：]))?[ \u00a0]*(?:[:：]+|(?P<dash>[—–]|\s-(?=\s))|(?P<stop>\.(?=\s+\S)))\s*",
    re.IGNORECASE,
)
_BARE_TLDR = re.compile(r"tl;? ?dr\b[\s,.:–—-]*", re.IGNORECASE)
_METADATA = re.compile(rf"({_WORDS[TextSection.METADATA]})\s*[:：]\s*", re.IGNORECASE)
_NEXT = re.compile(rf"\b(?:{_ALL})\s*[:：]", re.IGNORECASE)
_VALUE = re.compile(
    r"(?:(?:\(?<?(?:https?://|www\.)\S+|doi:\S+|arXiv:\S+|\d{4}(?:-\d\d){0,2}(?!\d|\.\d)|\d+(?:[.,]\d+)?\s*(?:/|out of)\s*\d+"
    r"(?:\s*\([^()]{0,60}\))?|\[[^\[\]]{0,200}\])[\s,;.|]*)+"
)
_LISTED = re.compile(
    r"auth|tag|keyw|title|venue|autor|schlag|auteur|mots|palabras|авт|ключ|теги|作者|关键|关键词|著者|キー|लेखक|المؤل|الكلمات|affil|inst",
    re.IGNORECASE,
)
MOST_WORDS = 8  # of a value that is not prose
LONGEST_LABEL = 60  # characters
LONGEST_VALUE = 300  # characters of a line of metadata
_NUMBER = re.compile(r"^(?:\(?\d{1,2}[.)]|[IVX]{1,4}\.|[a-h]\))\s+")


def section_of(label: str) -> TextSection:
    """Return what a heading or label says of the text under it; `TextSection.BODY` where nobody knows it."""
    words = _NUMBER.sub("", label.strip(" \u00a0*_#\"'“”")).rstrip(" :：.!?–—-").strip()
    if len(words) <= LONGEST_LABEL:
        for kind, pattern in _KINDS:
            if pattern.fullmatch(words):
                return kind
        first = re.split(r"\s*(?:/|&|,|\band\b|\bund\b|\bet\b|\by\b|\bи\b|和)\s*", words, maxsplit=1)[0]
        if first != words:
            return section_of(first)
    return TextSection.BODY


def split_label(line: str) -> tuple[str, str] | None:
    """Return the known label with which a line begins, and the rest of the line; None without one.

    A label is followed by a colon or a dash, or, where it has a capital letter, by a full stop.
    """
    if match := _PLAIN.match(line):
        certain = not (match["stop"] or match["dash"]) or match[1][:1].isupper() or not match[1].isascii()
        if certain and not (match["stop"] and not line[match.end() :][:1].isupper()):
            return match[1], line[match.end() :]
    if match := _BARE_TLDR.match(line):
        return "TL;DR", line[match.end() :]
    return None


def without_metadata(line: str) -> str:
    """Return a line without the metadata at its beginning: "Paper: https://… Code: https://… Year: 2017"."""
    while match := _METADATA.match(line):
        rest = line[match.end() :]
        if value := _VALUE.match(rest):
            line = rest[value.end() :]
            continue
        following = _NEXT.search(rest)
        ends = [at for sign in (";", "|") if (at := rest.find(sign)) >= 0]
        if following:
            ends.append(following.start() - 1)
        end = min(ends, default=len(rest))
        if end > LONGEST_VALUE or (len(rest[:end].split()) > MOST_WORDS and not _LISTED.match(match[1])):
            return rest
        line = rest[end + 1 :].lstrip(" ;|,")
    return line
