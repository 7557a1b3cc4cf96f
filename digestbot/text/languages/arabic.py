"""The words of Arabic by which the structure of a summary and the worth of its sentences are known."""

from __future__ import annotations

from digestbot.text.languages.base import Language, TextSection

ARABIC = Language(
    notes=(
        r"ملاحظاتي",
        r"قرأت هذ",
    ),
    verdicts=(
        r"مثير للاهتمام",
        r"ممتاز",
        r"رائع",
        r"أعجبني",
        r"للأسف",
    ),
    background=(
        r"^(?:غالبا|عادة|في السنوات|منذ)",
        r"تُعدّ",
        r"تعد ",
        r"يعد ",
        r"يُعدّ",
        r"الحالية",
        r"المتاحة",
        r"التقليدية",
        r"من أهم",
        r"معظم",
    ),
    topics=(r"(?:تتناول|يتناول|تدور|يناقش|تناقش)",),
    caveats=(r"^لكن العينة",),
    pointers=(r"(?:الشكل|الجدول|الكود (?:متاح|متوفر))",),
    refers_back=(r"^(?:هذا|هذه|وهذا|لكن|لذلك|كما|وهي|وهو)",),
    answers=(r"^(?:نعم|لا)",),
    key=(r"الفكرة (?:الرئيسية|الأساسية)",),
    findings=(
        (
            r"(?:نقترح|نقدّم|نقدم|نُظهر|نظهر|يقترح|يقدم|تقترح|المؤلفون|الباحثون|أثبت|وجد|في هذا البحث|"
            r"في هذه الورقة)"
        ),
    ),
    compares=(
        r"أفضل",
        r"مقارنة",
    ),
    changes=(r"من .{1,12} إلى",),
    labels={
        TextSection.TLDR: r"باختصار",
        TextSection.KEY: r"الفكرة الرئيسية|الفكرة|المساهمة|المساهمات",
        TextSection.RESULTS: r"النتائج|الخلاصة",
        TextSection.BODY: r"ملخص|الملخص|الطريقة|المنهجية",
        TextSection.BACKGROUND: r"الخلفية|المشكلة|الهدف",
        TextSection.OPINION: r"القيود|نقاط القوة|نقاط الضعف|تعليق",
        TextSection.METADATA: r"المؤلفون|الكود|السنة|الرابط|الكلمات المفتاحية",
        TextSection.REFERENCES: r"المراجع",
    },
)
