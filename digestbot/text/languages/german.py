"""The words of German by which the structure of a summary and the worth of its sentences are known."""

from __future__ import annotations

from digestbot.text.languages.base import Language, TextSection

GERMAN = Language(
    abbreviations=(r"bspw|bzgl|bzw|evtl|ggf|inkl|lt|sog|usw|vgl|zzgl"),
    may_end=(r"usw|ff"),
    numbered=(r"abb|abs|kap|nr|s|bd|gl"),
    notes=(
        r"^(?:dies sind|das sind|meine) (?:meine )?(?:notizen|mitschrift)",
        r"lesegruppe",
        r"ich habe (?:das|dieses|den|diesen)",
    ),
    verdicts=(
        (
            r"^(?:ein|eine|sehr|wirklich|insgesamt)\b[^.]{0,50}(?:schön|gut|interessant|spannend|lesenswert|"
            r"gelungen)"
        ),
        r"schwach finde ich",
        r"gefällt mir",
        r"\bich finde\b",
        r"\bleider\b",
    ),
    background=(
        (
            r"^(?:oft|meist|häufig|üblicherweise|bisher|seit|in den letzten|viele|die meisten|bislang|"
            r"heutzutage|normalerweise)\b"
        ),
        (
            r"\b(?:ist|sind) (?:ein|eine|das|die|der)\b[^.]{0,60}(?:aufgabe|problem|herausforderung|thema|"
            r"gebiet|frage)"
        ),
        r"bekanntlich",
        r"gilt als",
        r"gelten als",
        r"bisherige",
    ),
    topics=(
        (
            r"^(?:der|die|das|diese[rs]?) (?:artikel|arbeit|paper|studie|aufsatz|beitrag|"
            r"veröffentlichung)[^.]{0,20}(?:beschäftigt|befasst|behandelt|handelt|geht es|untersucht die|"
            r"widmet)"
        ),
        r"^es geht um",
        r"geht es um",
    ),
    pointers=(
        r"^(?:der )?code (?:ist|gibt|steht)",
        r"^(?:abb\.|tabelle)\s*\d",
    ),
    caveats=(
        r"^nur\b",
        r"schade",
        r"unklar bleibt",
        r"^einschränkung",
    ),
    refers_back=(
        (
            r"^(?:es|sie|dies(?:e[rsmn]?)?|jedoch|aber|daher|deshalb|dabei|damit|dazu|außerdem|zudem|sein|"
            r"ihre?|auch|dort)\b"
        ),
        r"^\W*(?:[\w'’-]+\W+){1,4}(?:jedoch|allerdings|dagegen)\b",
    ),
    answers=(r"^(?:ja|nein)\b",),
    key=(
        r"\b(?:kernidee|hauptidee|grundidee|hauptbeitrag|kurz gesagt|im kern)\b",
        r"(?:die|der) (?:idee|trick|kern) (?:ist|dabei|besteht)",
    ),
    findings=(
        (
            r"\b(?:wir|die autor(?:en|innen)|der autor|das paper|die arbeit|die studie)\b[^.]{0,30}\b(?:zeig|"
            r"schlag|stell|find|fand|beweis|entwickel|untersuch|nutz|präsent|führ|trainier|ersetz|mess|"
            r"lern)\w*"
        ),
    ),
    compares=(r"\b(?:als|statt|so (?:gut|viel|schnell) wie)\b",),
    changes=(r"\b(?:besser|schneller|weniger|mehr|erreicht|steigt|sinkt|fällt)\b",),
    labels={
        TextSection.TLDR: r"kurz gesagt|kurzfassung|kurz|in kürze",
        TextSection.KEY: r"kernidee|hauptidee|(?:die )?(?:grund)?idee|beitrag|beiträge|kernaussage|fazit",
        TextSection.RESULTS: r"ergebnisse?|schlussfolgerung",
        TextSection.BODY: r"zusammenfassung|überblick|methode|ansatz|verfahren|modell|versuche|experimente",
        TextSection.BACKGROUND: r"einleitung|hintergrund|motivation|problem(?:stellung)?|ziel|frage",
        TextSection.OPINION: r"stärken|schwächen|vorteile|nachteile|grenzen|kommentar|kritik|meine meinung",
        TextSection.METADATA: r"autor(?:en)?|schlagw(?:o|ö)rte?r?|jahr|bewertung|quelle",
        TextSection.REFERENCES: r"siehe auch|literatur|quellen",
    },
)
