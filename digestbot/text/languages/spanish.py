"""The words of Spanish by which the structure of a summary and the worth of its sentences are known."""

from __future__ import annotations

from digestbot.text.languages.base import Language, TextSection

SPANISH = Language(
    abbreviations=(r"sra|srta|pág|págs|cap|núm|aprox|ej"),
    notes=(
        r"^(?:estas son )?mis notas",
        r"grupo de lectura",
        r"leí (?:este|el)",
        r"gracias a",
    ),
    verdicts=(
        (
            r"^(?:un|una|es|muy|me)\b[^.]{0,40}(?:interesante|bonito|bueno|excelente|recomendable|gusta|"
            r"gustado)"
        ),
        r"me hubiera",
        r"me parece",
    ),
    background=(
        (
            r"^en (?:enero|febrero|marzo|abril|mayo|junio|julio|agosto|septiembre|octubre|noviembre|"
            r"diciembre) de\b"
        ),
        r"\bno había\b",
        r"^en (?:19|20)\d\d\b",
        (
            r"^(?:a menudo|normalmente|desde|en los últimos|recientemente|la mayoría|muchos|muchas|"
            r"tradicionalmente)\b"
        ),
        r"\b(?:es|son) (?:una?|el|la|los)\b[^.]{0,60}(?:tarea|problema|reto|desafío|paso|tema|área)",
        r"métodos (?:actuales|existentes)",
    ),
    topics=(
        (
            r"^(?:este|el|la|esta) (?:artículo|trabajo|estudio|paper)[^.]{0,12}(?:trata|aborda|estudia|"
            r"se ocupa)"
        ),
        r"se trata de",
    ),
    pointers=(r"^el código",),
    caveats=(r"^limitación",),
    refers_back=(
        r"^(?:él|ella|ellos|esto|esta|este|sin embargo|pero|además|por (?:lo tanto|eso)|así)\b",
        r"^\W*(?:[\w'’-]+\W+){1,4}(?:sin embargo)\b",
    ),
    answers=(r"^(?:sí|no)\b",),
    key=(
        r"la idea (?:principal|central|clave|es)",
        r"en resumen",
    ),
    findings=(
        (
            r"\b(?:los autores|las autoras|proponemos|presentamos|mostramos|demostramos|este (?:artículo|"
            r"trabajo)|el (?:trabajo|artículo|estudio|método))\b[^.]{0,30}(?:propon|muestr|present|introduc|"
            r"demuestr|desarroll|encuentr|entren|usa|utiliz|reduc|logra|consigue)?\w*"
        ),
    ),
    compares=(r"\b(?:menos que|más que|frente a)\b",),
    changes=(r"\b(?:reduce|aumenta|mejora|alcanza|quita)\b",),
    labels={
        TextSection.TLDR: r"en resumen|en breve",
        TextSection.KEY: r"(?:la )?idea (?:principal|clave)|aporte|aportaciones?|contribución|contribuciones",
        TextSection.RESULTS: r"resultados?|conclusiones|conclusión",
        TextSection.BODY: r"resumen|método|enfoque|modelo|experimentos",
        TextSection.BACKGROUND: r"introducción|contexto|problema|objetivo|motivación",
        TextSection.OPINION: r"fortalezas|debilidades|limitaciones|comentarios?|críticas?",
        TextSection.METADATA: r"autor(?:es)?|palabras clave|año|puntuación",
        TextSection.REFERENCES: r"véase también|referencias",
    },
)
