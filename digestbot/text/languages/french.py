"""The words of French by which the structure of a summary and the worth of its sentences are known."""

from __future__ import annotations

from digestbot.text.languages.base import Language, TextSection

FRENCH = Language(
    abbreviations=(r"env|éd|m|mme"),
    numbered=(r"chap|éq|art"),
    notes=(
        r"^(?:voici|ce sont) (?:mes|quelques) notes",
        r"groupe de lecture",
        r"j'ai lu",
        r"merci à",
    ),
    verdicts=(
        r"^(?:un|une|c'est|très|vraiment)\b[^.]{0,40}(?:intéressant|beau|belle|bon|excellent|lire|clair)",
        r"j'aime",
        r"je trouve",
        r"dommage",
    ),
    background=(
        r"^(?:souvent|généralement|depuis|ces dernières|récemment|la plupart|beaucoup|habituellement)\b",
        r"\b(?:est|sont) (?:une?|le|la|les)\b[^.]{0,60}(?:tâche|problème|étape|défi|question|domaine)",
        r"méthodes (?:actuelles|existantes|classiques)",
    ),
    topics=(
        (
            r"^(?:cet?|l'|le|cette) ?(?:article|étude|papier|travail)[^.]{0,12}(?:traite|porte|aborde|"
            r"s'intéresse|étudie)"
        ),
        r"il s'agit",
    ),
    pointers=(r"^le code (?:est|a été)",),
    caveats=(r"^limites?\b",),
    refers_back=(
        r"^(?:il|elle|ils|elles|ce(?:la|ci)|cependant|mais|donc|ainsi|de plus|en outre|leur|ceci)\b",
        r"^\W*(?:[\w'’-]+\W+){1,4}(?:cependant|pourtant)\b",
    ),
    answers=(r"^(?:oui|non)\b",),
    key=(
        r"l'idée (?:principale|clé|centrale|est)",
        r"en bref",
    ),
    findings=(
        (
            r"\b(?:nous|les auteurs?|l'auteur|cet article|ce travail|notre méthode|l'étude|"
            r"on)\b[^.]{0,30}\b(?:montr|appren|tradui|appliqu|propos|présent|introdui|démontr|appren|tradui|"
            r"appliqu|développ|trouv|prouv|entraîn|utilis|observ)\w*"
        ),
    ),
    compares=(r"\b(?:mieux|moins que|plus que|contre)\b",),
    changes=(r"\b(?:réduit|augmente|atteint|améliore)\b",),
    labels={
        TextSection.TLDR: r"en bref|en résumé",
        TextSection.KEY: r"(?:l')?idée (?:principale|clé)|idée|contributions? principales?|apports?",
        TextSection.RESULTS: r"résultats?|conclusion",
        TextSection.BODY: r"résumé|aperçu|méthode|approche|modèle|expériences",
        TextSection.BACKGROUND: r"introduction|contexte|problème|objectif",
        TextSection.OPINION: r"forces|faiblesses|limites|critique|avis|commentaires?",
        TextSection.METADATA: r"auteurs?|mots[- ]clés|année",
        TextSection.REFERENCES: r"voir aussi|références",
    },
)
