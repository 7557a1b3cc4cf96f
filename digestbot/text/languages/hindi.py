"""The words of Hindi by which the structure of a summary and the worth of its sentences are known."""

from __future__ import annotations

from digestbot.text.languages.base import Language, TextSection

HINDI = Language(
    notes=(
        r"के नोट्स",
        r"मेरे नोट्स",
        r"मैंने यह",
    ),
    verdicts=(
        r"बहुत (?:अच्छा|रोचक|दिलचस्प)",
        r"मुझे",
        r"रोचक (?:काम|शोध)",
    ),
    background=(
        r"अक्सर",
        r"आमतौर पर",
        r"हाल के वर्षों",
        r"पिछले कुछ",
        r"बरसों से",
        r"मौजूदा",
        r"पारंपरिक",
        r"एक (?:कठिन|महत्वपूर्ण|बड़ी)",
        r"ज़्यादातर",
        r"अधिकांश",
    ),
    topics=(
        r"के बारे में (?:है|बात)",
        r"पर (?:केंद्रित|आधारित) है",
    ),
    pointers=(r"कोड.{0,20}उपलब्ध",),
    caveats=(
        r"नमूना छोटा",
        r"सावधानी",
    ),
    refers_back=(r"^(?:यह|ये|वे|इस|इसके|लेकिन|इसलिए|हालाँकि|और)",),
    answers=(r"^(?:हाँ|नहीं)",),
    key=(
        r"मुख्य विचार",
        r"मूल विचार",
    ),
    findings=(
        (
            r"(?:लेखक|शोधकर्ता|इस (?:शोध|अध्ययन|पत्र|पेपर)|हम|यह शोधपत्र)[^।]{0,60}(?:प्रस्ताव|दिखा|प्रस्तुत|"
            r"पाया|पता|विकसित|साबित|मिला|दर्शा)"
        ),
    ),
    compares=(r"से (?:बेहतर|अधिक|कम|ज़्यादा)",),
    changes=(
        r"बढ़",
        r"घट",
        r"नहीं मिला",
    ),
    labels={
        TextSection.TLDR: r"संक्षेप में",
        TextSection.KEY: r"मुख्य विचार|मुख्य योगदान|योगदान",
        TextSection.RESULTS: r"परिणाम|निष्कर्ष",
        TextSection.BODY: r"सारांश|विधि",
        TextSection.BACKGROUND: r"पृष्ठभूमि|समस्या|उद्देश्य",
        TextSection.OPINION: r"सीमाएँ|टिप्पणी",
        TextSection.METADATA: r"लेखक|कोड|वर्ष",
        TextSection.REFERENCES: r"संदर्भ",
    },
)
