"""What a sentence of a summary is good for, by the words in it: what must not lead a post, and what should.

The patterns are for English, German, French, Spanish, Russian, Chinese, Japanese, Hindi and Arabic.
"""

from __future__ import annotations

import re
from enum import IntEnum


class Strength(IntEnum):
    """How good a sentence is as the beginning of an excerpt; a higher one wins."""

    PLAIN = 0
    COMPARISON = 1
    FINDING = 2
    KEY = 3
    TLDR = 4


def _any(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{one})" for one in patterns), re.IGNORECASE)


_PAPER = (
    r"(?:(?:this|the|present|our|their|current|following)\s+(?:\w+\s+)?(?:paper|work|article|study|publication|manuscript|"
    r"thesis|report|survey|summary|post|review|preprint|note|authors?|researchers?))"
)
# ---- what must not lead, each class with its name
_CLASSES = {
    "a note about the text": _any(
        r"^[(\[]*(?:i|we) (?:read|came across|found this|stumbled|picked|chose|summari[sz]ed?|wrote|presented|skipped?|"
        r"discussed|watched|skimmed)\b",
        r"\b(?:reading group|journal club|my notes|these (?:are|notes)|personal notes|my summary|this summary|this post|"
        r"cross-?posted|my blog|disclaimer|full disclosure|conflict of interest|pointing me|pointed me|hat tip|h/t)\b",
        r"^(?:thanks|thank you|hi all|hello|hey|warning|edit|update|caution|spoiler)\b",
        r"^(?:first|second) (?:time|post|summary) i\b|\bbe kind\b|\bi skip\b|\bi(?:'m| am) (?:not )?(?:an? |the )?(?:author|expert)",
        r"^(?:posting|sharing|read(?:ing)? for|read|reviewed|reviewing|writing|presenting|have a look|take a look|look at|note to self)\b|[★☆]|"
        r"^(?:i|my|me|we all|you)\b|[, ](?:i|my|me|i'm|i've|i'd|i'll|you|your|myself|us)[ ,.!?']",
        r"\b(?:neurips|nips|icml|iclr|cvpr|iccv|eccv|acl|emnlp|naacl|aaai|ijcai|osdi|sosp|sigmod|vldb|kdd|www|chi|nsdi|sigcomm|nature|science|"
        r"cell|pnas|colt|jmlr|tpami|siggraph|usenix|ccs|oakland) (?:paper,? )?['’]?(?:19|20)?\d\d\b[^.]{0,20}\.?$",
        r"^keywords?\b|\b\d+ (?:pages|figures|citations)\b|^(?:abstract|summary) (?:shortened|copied|taken|from)\b|^you (?:find|can|may|will|should)\b",
        r"^(?:watch|listen to|read|check out) (?:the|this|their|it)\b",
        r"^(?:dies sind|das sind|meine) (?:meine )?(?:notizen|mitschrift)|lesegruppe|ich habe (?:das|dieses|den|diesen)",
        r"^(?:voici|ce sont) (?:mes|quelques) notes|groupe de lecture|j'ai lu|merci à",
        r"^(?:estas son )?mis notas|grupo de lectura|leí (?:este|el)|gracias a",
        r"^(?:прочитал|читал|разбирали|мои заметки|это мои|спасибо)|на семинаре",
        r"读书会|组会|我的笔记|笔记|感谢.{0,12}推荐|読書会|輪読|勉強会|メモです|自分用|के नोट्स|मेरे नोट्स|मैंने यह|ملاحظاتي|قرأت هذ",
    ),
    "a verdict": _any(
        r"^(?:in my opinion|imo|imho|personally|honestly)\b|\b(?:under|over)rated\b|\bhidden gem\b|\bworth (?:it|your)\b",
        r"^(?:this|it|the paper|overall,?|all in all,?|i think|imho|in my opinion|personally)?[, ]*(?:this |it )?(?:is|was|are)"
        r"(?: (?:an?|the|one of the))?(?: (?:very|really|super|quite|truly|rather|such|pretty|most|extremely|interestingly|"
        r"surprisingly))* ?(?:\w+ly )?(?:nice|great|good|interesting|excellent|cool|neat|fun|solid|impressive|beautiful|"
        r"elegant|pragmatic|important|seminal|landmark|classic|must[- ]read|well[- ]written|lovely|amazing|fascinating|"
        r"remarkable|strange|weird|bad|poor|weak|disappointing|simple|clever|creative|inspiring|stimulating|enjoyable|"
        r"boring|dense|long|short|worth|gem|controversial|influential|timely)\b(?! (?:than|that|to (?:show|see that)))",
        r"^(?:what an?|really|very|such an?|absolutely|extremely|super|wow|great|nice|cool|neat|excellent|awesome|solid|"
        r"interesting|strong|beautiful|impressive|good)\b[^.]{0,60}(?:work|paper|read|idea|result|stuff|job|words|writ|"
        r"study|piece|article)",
        r"\bi (?:really |quite |particularly |very much |simply |just )?(?:like|love|enjoy|liked|loved|enjoyed|appreciate|"
        r"recommend|hate|dislike|wish|guess|wonder|doubt|hope|believe|suspect|feel|would|couldn't|could not|can't|miss|"
        r"don't|didn't|must say|have to|find|found|still|am|think)\b|\bi(?:'d|'m|'ve|'ll)\b|\bto me,",
        r"\b(?:well|clearly|badly|nicely|poorly) (?:written|explained|structured)\b|\beasy to (?:read|follow)\b|"
        r"\bhard to (?:read|follow)\b|\bmust[- ]read\b|\brequired reading\b|\bworth (?:reading|a read)|\bmy (?:score|"
        r"favou?rite|rating)\b|\b(?:clear|weak|strong|borderline) (?:accept|reject)|\bcongratulations\b|\bkudos\b",
        r"^(?:ein|eine|sehr|wirklich|insgesamt)\b[^.]{0,50}(?:schön|gut|interessant|spannend|lesenswert|gelungen)|"
        r"schwach finde ich|gefällt mir|\bich finde\b|\bleider\b",
        r"^(?:un|une|c'est|très|vraiment)\b[^.]{0,40}(?:intéressant|beau|belle|bon|excellent|lire|clair)|j'aime|je trouve|"
        r"dommage",
        r"^(?:un|una|es|muy|me)\b[^.]{0,40}(?:interesante|bonito|bueno|excelente|recomendable|gusta|gustado)|me hubiera|"
        r"me parece",
        r"^(?:очень|отличн|хорош|интересн|классн|прекрасн|замечательн|красив)|мне (?:понрав|нрав)|непонятно|к сожалению",
        r"写得|值得一读|很有意思|有趣的|我(?:觉得|认为|喜欢)|不足之处|遗憾|面白い|興味深い|素晴らしい|良い論文|読みやす|残念|と思う|気がする",
        r"बहुत (?:अच्छा|रोचक|दिलचस्प)|मुझे|रोचक (?:काम|शोध)|مثير للاهتمام|ممتاز|رائع|أعجبني|للأسف",
    ),
    "background": _any(
        r"^(?:often|usually|typically|traditionally|historically|recently|nowadays|today|currently|generally|commonly|"
        r"conventionally|in (?:recent|the last|the past) (?:years|decades?|months)|over the (?:last|past)|for (?:years|"
        r"decades|centuries|a long time)|since (?:its|the) (?:introduction|invention|advent)|most|many|much|several|some|"
        r"everybody|everyone|people (?:often|usually|have|think|believe|tend|like|say|want|do)|all of us|who(?:ever)? (?:among|has|hasn't)|nobody|there (?:is|are|has|have)|while many)\b",
        r"\b(?:is|are) (?:an?|the|one of the)(?: \w+){0,3} (?:task|problem|challenge|area|field|topic|question|technique|"
        r"approach|goal|cornerstone|step|tool|class|family|branch|dream|process|procedure|issue|part|component|concern|"
        r"bottleneck|workhorse|standard)\b(?! (?:that|which) (?:we|the authors))",
        r"\b(?:recent(?:ly)?|previous|prior|existing|earlier|current|traditional|conventional|classical|most|past|standard|"
        r"many|today's|state-of-the-art) (?:\w+ )?(?:work|works|research|stud(?:y|ies)|methods?|approaches|models?|"
        r"algorithms?|techniques?|systems?|papers|literature|practice|detectors|solutions|protocols|advances|progress|"
        r"benchmarks|theories|theory|literature)\b(?! in this)",
        r"\b(?:has|have) (?:been (?:widely|used|studied|proposed|around|an?|the|applied|extensively|known|shown|build|built|"
        r"dominated|successful|very|much|some|many|done|great)|become|attracted|gained|seen|received|achieved|long|recently|already)\b",
        r"\b(?:it is|it's|is) (?:well[- ]known|widely|commonly|generally|often|usually|known|said|thought|believed|assumed|"
        r"hard|difficult|crucial|essential|important|notoriously|expensive|a dream|critical|vital|desirable|challenging)\b",
        r"\b(?:are|is) (?:nowadays |now |today |usually |often |typically |mostly |commonly |generally |widely |"
        r"frequently |notoriously |traditionally |still |extremely |very )+(?:used|trained|applied|done|hard|difficult|"
        r"expensive|slow|costly|deployed|employed|built|limited|evaluated|lacking|poorly|believed|thought|assumed)\b",
        r"\b(?:remains?|poses?) (?:an? )?(?:\w+ )?(?:open|challeng|unclear|difficult|hard|problem|unsolved|poorly)|"
        r"conventional wisdom|common(?:ly held)? belief|\bmyth\b|according to (?:a|the|popular|conventional)|"
        r"\bwe all know\b|\bplays? an? (?:\w+ )?role\b|\bhas been around\b|\bis everywhere\b|\bof great interest\b|"
        r"\b(?:suffers?|suffered) from\b|\bthe usual (?:way|procedure|approach|recipe)\b",
        r"\bhad (?:already |previously |long )?(?:been |shown|found|proposed|proved|introduced|argued|observed|established|demonstrated|reported)",
        r"^(?:in|since|around|until|before|by|back in) (?:the )?(?:early |late |mid-?)?(?:1[5-9]|20)\d\d(?:s|'s)?\b|\b(?:years|decades) (?:ago|later|longer|earlier)\b|"
        r"^(?:the )?(?:original|first|classic|classical|standard|usual|vanilla|old)\b|\bnobody (?:knew|knows|has|had)\b|\bsays? that\b|"
        r"^en (?:enero|febrero|marzo|abril|mayo|junio|julio|agosto|septiembre|octubre|noviembre|diciembre) de\b|\bno había\b|^en (?:19|20)\d\d\b",
        r"\b(?:is|are) (?:a|an) (?:set|kind|type|form|way|measure|method|family|generali[sz]ation|special case|database|distribution|function|collection) (?:of|that|to|in|for|which)\b",
        r"\b(?:showed|proved|found|proposed|introduced|built|published|invented|discovered)\b[^.]{0,30}\bin (?:1[5-9]|20)\d\d\b",
        r"^(?:imagine|suppose|consider|let|assume|given|recall|think of)\b",
        r"\b(?:can|could|will|would) (?:never|not|hardly|only|usually)\b|\bcannot\b|\bcan't\b",
        r"^(?:oft|meist|häufig|üblicherweise|bisher|seit|in den letzten|viele|die meisten|bislang|heutzutage|normalerweise)\b|"
        r"\b(?:ist|sind) (?:ein|eine|das|die|der)\b[^.]{0,60}(?:aufgabe|problem|herausforderung|thema|gebiet|frage)|"
        r"bekanntlich|gilt als|gelten als|bisherige",
        r"^(?:souvent|généralement|depuis|ces dernières|récemment|la plupart|beaucoup|habituellement)\b|"
        r"\b(?:est|sont) (?:une?|le|la|les)\b[^.]{0,60}(?:tâche|problème|étape|défi|question|domaine)|méthodes (?:actuelles|"
        r"existantes|classiques)",
        r"^(?:a menudo|normalmente|desde|en los últimos|recientemente|la mayoría|muchos|muchas|tradicionalmente)\b|"
        r"\b(?:es|son) (?:una?|el|la|los)\b[^.]{0,60}(?:tarea|problema|reto|desafío|paso|tema|área)|métodos (?:actuales|"
        r"existentes)",
        r"^(?:обычно|часто|как правило|в последние|многие|большинство|давно|традиционно|сегодня)\b|[—–-] (?:давняя|важная|"
        r"одна из|сложная|ключевая|классическая)\b|\b(?:является|остаётся|считается|известно)\b|существующие",
        r"近年来|近年|长期以来|目前|现有|传统|通常|一直|众所周知|往往|是.{0,20}(?:任务|问题|挑战|课题|关键|难题|步骤)[。之]|"
        r"従来|近年|一般に|通常|これまで|重要な(?:課題|問題|技術)|課題である|知られている|広く",
        r"अक्सर|आमतौर पर|हाल के वर्षों|पिछले कुछ|बरसों से|मौजूदा|पारंपरिक|एक (?:कठिन|महत्वपूर्ण|बड़ी)|ज़्यादातर|अधिकांश",
        r"^(?:غالبا|عادة|في السنوات|منذ)|تُعدّ|تعد |يعد |يُعدّ|الحالية|المتاحة|التقليدية|من أهم|معظم",
    ),
    "a topic": _any(
        rf"^(?:{_PAPER}|it|this|these|a follow-up)\s+(?:\w+ly\s+)?(?:deals?|is (?:about|concerned|devoted|on)|concerns?|"
        r"expands?|extends?|builds?|follows?|continues|addresses|tackles|discusses|covers|looks at|explores|investigates the|"
        r"considers|revisits|focuses|talks about|is an? (?:extension|follow-up|continuation|survey|review|overview|attempt|"
        r"comparison|study of|summary)|to )",
        rf"^{_PAPER} (?:asks?|wants?|wonders?|tr(?:y|ies) to)\b",
        r"^a follow-up\b|^follow-up\b|^in this (?:post|summary|note)",
        r"^(?:der|die|das|diese[rs]?) (?:artikel|arbeit|paper|studie|aufsatz|beitrag|veröffentlichung)[^.]{0,20}(?:beschäftigt|"
        r"befasst|behandelt|handelt|geht es|untersucht die|widmet)|^es geht um|geht es um",
        r"^(?:cet?|l'|le|cette) ?(?:article|étude|papier|travail)[^.]{0,12}(?:traite|porte|aborde|s'intéresse|étudie)|il s'agit",
        r"^(?:este|el|la|esta) (?:artículo|trabajo|estudio|paper)[^.]{0,12}(?:trata|aborda|estudia|se ocupa)|se trata de",
        r"^(?:статья|работа|эта статья|эта работа|в статье|в работе)[^.]{0,12}(?:посвящена|о\b|рассматрив|речь|про\b)",
        r"(?:研究|探讨|讨论|关注|讨论了|关于).{0,20}问题|^本文(?:研究|探讨|讨论|关注|综述)|を扱っ|について(?:述べ|論じ|議論|扱)|に関する論文",
        r"के बारे में (?:है|बात)|पर (?:केंद्रित|आधारित) है|(?:تتناول|يتناول|تدور|يناقش|تناقش)",
    ),
    "a pointer": _any(
        r"^(?:see|cf\.|refer to|as (?:the|you|we|can|shown|seen|in)\b[^,]{0,40}(?:figure|table|picture|plot|image|above|below|shows?|see))",
        r"^(?:table|figure|fig\.?|section|appendix|eq\.?|algorithm|abb\.|tabelle|рис\.?)\s*\d",
        r"^(?:the|this) (?:figure|table|picture|plot|image|diagram|graph|screenshot|video|code|talk)\b",
        r"\b(?:is|are) (?:shown|given|listed|depicted|illustrated) (?:below|above|in (?:the )?(?:figure|table|section|appendix))",
        r"^(?:code|data|models?|datasets?|slides|videos?|supplement\w*|implementation)\b[^.]{0,25}\b(?:is|are|here|available|released|at|on|'s)\b",
        r"(?:code|implementation) (?:is|are|was|will be)\b|\bopen[- ]sourced?\b.{0,12}$|is available (?:at|on|here)",
        r"^le code (?:est|a été)|^(?:der )?code (?:ist|gibt|steht)|^el código|^код\b|代码.{0,6}(?:开源|已|可)|コードは|कोड.{0,20}उपलब्ध",
    ),
    "a caveat": _any(
        r"^(?:unfortunately|sadly|caveats?|limitations?|one (?:caveat|limitation|drawback|weakness|complaint|downside)|however, (?:the|it)"
        r" (?:paper|authors?) (?:do|does|did)|the (?:main |only |biggest )?(?:caveat|limitation|drawback|weakness|downside|complaint|"
        r"problem with)|no (?:comparison|code|experiments?|ablations?|theory|human|error bars|baselines?|difference|results?|real)|not clear|it is not clear|it's not clear|"
        r"unclear|it remains|it would|would|should|downstream|experiments there|what i miss|missing)\b",
        r"\b(?:isn't|is not|aren't|are not|wasn't|was not|not) (?:clear|discussed|reported|compared|shown|tested|mentioned|explained|convincing|given)\b",
        r"\bout of scope\b|\b(?:was|were|is|are|has|have) (?:not|never) (?:been )?(?:tried|supported|tested|evaluated|released|measured|available|studied)\b|\b(?:doesn't|does not|don't|do not|didn't|did not) help\b|\bnot supported\b|, they say\b|\bi must say\b|\bonly complaint\b|\bwould have liked\b|\b(?:mice|english|synthetic|simulation) only\b|\bfuture work\b|\bopen question\b|"
        r"\bkeep that in mind\b|\bmy (?:only )?(?:concern|complaint|question|criticism)\b|\bsmall sample\b|\bcausality\b",
        r"^nur\b|schade|unklar bleibt|^einschränkung|^limites?\b|^limitación|^ограничени|^不过|^但是|नमूना छोटा|सावधानी|^لكن العينة|ただし|効果がない",
    ),
}
_QUESTION = re.compile(r"[?？؟][\"'”’»)\]」』）]*$")
_DOUBTED = re.compile(
    r"^(?:that (?:sentence|claim|belief|view|is (?:what|the)|was)|so (?:you|one|it)(?:'d| would)? (?:think|seems?)|or so|dozens|everyone|this (?:belief|"
    r"claim|view|is (?:what|wrong|not|a myth))|not (?:so|quite|really)|wrong|false|it (?:isn't|is not|wasn't|turns out)|well, no)\b"
    r"|\b(?:agree on it|apart\.?$|this is wrong|is (?:a )?myth|no longer true|doesn't hold|does not hold|not true|the opposite|nonsense)",
    re.IGNORECASE,
)
_ANSWERS = re.compile(
    r"^(?:yes|no|in general|not (?:really|quite|always)|it (?:does|is|can|isn't|doesn't)|they (?:do|are|can)|mostly|only|usually|surprisingly|oui|non|ja|nein|"
    r"sí|да|нет|不|是的|はい|いいえ|हाँ|नहीं|نعم|لا)\b",
    re.IGNORECASE,
)
_HOWEVER = re.compile(
    r"^\W*(?:[\w'’-]+\W+){1,4}(?:however|meanwhile|though|therefore|sin embargo|cependant|pourtant|jedoch|allerdings|dagegen|однако)\b", re.IGNORECASE
)
_SECOND_THOUGHT = re.compile(
    r"^(?:it|its|it's|they|their|them|this(?! (?:paper|work|article|study|thesis|report|survey))|that(?! said)|these|those|he|she|his|her|such|"
    r"however|so|but|thus|therefore|hence|also|moreover|furthermore|additionally|besides|and|then|instead|nevertheless|"
    r"nonetheless|consequently|finally|lastly|next|second(?:ly)?|third(?:ly)?|similarly|likewise|in contrast|by contrast|"
    r"on the other hand|in addition|as a result|for (?:example|instance|this)|e\.g\.|i\.e\.|in other words|in fact|indeed|here|"
    r"there|both|neither|the (?:latter|former|same|other|rest|reason|idea is that|second|third)|another|other|otherwise|yet|still|again|"
    r"to (?:do|achieve|solve|address|fix|avoid) (?:this|so|that|it)|one (?:way|reason|of them)|in general yes|yes|no|well|"
    r"es|sie|dies(?:e[rsmn]?)?|jedoch|aber|daher|deshalb|dabei|damit|dazu|außerdem|zudem|so|sein|ihre?|auch|dort|"
    r"il|elle|ils|elles|ce(?:la|ci)|cependant|mais|donc|ainsi|de plus|en outre|leur|ceci|"
    r"él|ella|ellos|esto|esta|este|sin embargo|pero|además|por (?:lo tanto|eso)|así|"
    r"он|она|оно|они|это|этот|эта|эти|однако|но|поэтому|также|кроме того|при этом|их|её|его)\b"
    r"|^(?:它|他们|这|该|其|此|然而|但|因此|所以|同时|此外|而且|それ|これ|この|その|しかし|また|そして|そのため|यह|ये|वे|इस|इसके|लेकिन|इसलिए|हालाँकि|और|"
    r"هذا|هذه|وهذا|لكن|لذلك|كما|وهي|وهو)",
    re.IGNORECASE,
)
# ---- what should lead
_KEY = _any(
    r"\b(?:take[- ]?away|take[- ]home|key (?:idea|insight|finding|contribution|point|observation|trick)|main (?:idea|insight|finding|"
    r"contribution|result|point|message|claim)|core (?:idea|insight|contribution)|central (?:idea|insight|claim)|"
    r"the (?:upshot|punchline|bottom line|crux|essence|contribution) (?:is|here is|of)|in (?:short|essence|a nutshell)|"
    r"to (?:sum up|summarize|summarise)|boils? down to|what(?:'s| is) new)\b",
    r"\b(?:kernidee|hauptidee|grundidee|hauptbeitrag|kurz gesagt|im kern)\b|(?:die|der) (?:idee|trick|kern) (?:ist|dabei|besteht)|"
    r"l'idée (?:principale|clé|centrale|est)|en bref|la idea (?:principal|central|clave|es)|en resumen|"
    r"(?:основная|главная|ключевая) (?:идея|мысль)|идея (?:в том|состоит|заключается)|核心(?:思想|思路|贡献)|主要贡献|关键在于|要点是|"
    r"鍵は|アイデアは|ポイントは|मुख्य विचार|मूल विचार|الفكرة (?:الرئيسية|الأساسية)",
)
_BY_AUTHORS = (
    r"(?:(?:we|the (?:authors?|researchers?|team|paper|study|work|article|method|model|approach|algorithm|system|network|results?|experiments?)|"
    r"(?:this|our|their) (?:\w+ )?(?:paper|work|study|article|method|model|approach|result|analysis|thesis|survey)|they|he|she|"
    r"[A-Z][\w-]+ (?:et al\.|and (?:coauthors|colleagues|co-workers|[A-Z][\w-]+)))(?:'s)?)"
)
_FINDING = _any(
    rf"\b{_BY_AUTHORS}\s+(?:\w+ly\s+|then\s+|also\s+|thus\s+|here\s+|therefore\s+|can\s+|first\s+)?(?:show|find|found|prove|proposes?|introduces?|"
    r"presents?|demonstrate|develops?|describes?|designs?|derives?|obtains?|reports?|releases?|shows|finds|proves|demonstrates|discover|"
    r"establish|reveal|argue|observe|repeat|trains?|learns?|builds?|uses?|combines?|replaces?|reaches?|achieves?|outperforms?|measures?|"
    r"predicts?|give|gives|provides?|models?|estimates?|identify|identifies|conclude|suggest|solves?|reduces?|improves?|applies|apply|"
    r"asks? [A-Z]|label|collect|fuzz|embed|consider bandits|consists?|formulate|estimate|compares?|analy[sz]es?|test|evaluate|validate|"
    r"turns?|converts?|generates?|detects?|recovers?|extracts?|maps?|treats?|adds?|encodes?|let|lets|make|makes|"
    r"zero out|emits|instead emits|obtain|determin|explain|use|cast|view|interpret|quantif|extend|generali[sz]e|unif|re-?implement|replicat)\w*",
    r"\bin this (?:paper|work|article|study|trial|thesis)\b[^.]{0,80}\b(?:we|is|are|the authors|it|did|there)\b",
    r"\b(?:is|are|was|were) (?:proposed|introduced|presented|shown to|found to|proven|proved|derived|demonstrated)\b",
    r"\bit turns out\b|\bturns out\b|\bsurprisingly\b|\bfor the first time\b|\bfirst (?:method|model|proof|algorithm|system|trial|time)\b",
    r"\b(?:wir|die autor(?:en|innen)|der autor|das paper|die arbeit|die studie)\b[^.]{0,30}\b(?:zeig|schlag|stell|find|fand|beweis|entwickel|"
    r"untersuch|nutz|präsent|führ|trainier|ersetz|mess|lern)\w*",
    r"\b(?:nous|les auteurs?|l'auteur|cet article|ce travail|notre méthode|l'étude|on)\b[^.]{0,30}\b(?:montr|propos|présent|introdui|démontr|"
    r"développ|trouv|prouv|entraîn|utilis|observ)\w*",
    r"\b(?:los autores|las autoras|proponemos|presentamos|mostramos|demostramos|este (?:artículo|trabajo)|el (?:trabajo|artículo|estudio|método))\b"
    r"[^.]{0,30}(?:propon|muestr|present|introduc|demuestr|desarroll|encuentr|entren|usa|utiliz|reduc|logra|consigue)?\w*",
    r"\b(?:авторы|автор|мы|работа|в работе|статья)\b[^.]{0,30}(?:показ|предлага|предлож|обучи|доказ|наш|представ|разработ|использ|вводят|измер)\w*",
    r"(?:本文|作者|我们|论文|该(?:文|方法|工作)|这篇(?:论文|文章))[^。]{0,12}(?:提出|证明|发现|表明|展示|介绍|设计|引入|开发|构建|给出|实现)|"
    r"(?:本論文|著者|筆者|我々|提案手法|本研究|この論文)[^。]{0,40}(?:提案|示|証明|導入|開発|発見|予測|実現|構築|達成)",
    r"(?:लेखक|शोधकर्ता|इस (?:शोध|अध्ययन|पत्र|पेपर)|हम|यह शोधपत्र)[^।]{0,60}(?:प्रस्ताव|दिखा|प्रस्तुत|पाया|पता|विकसित|साबित|मिला|दर्शा)|"
    r"(?:نقترح|نقدّم|نقدم|نُظهر|نظهر|يقترح|يقدم|تقترح|المؤلفون|الباحثون|أثبت|وجد|في هذا البحث|في هذه الورقة)",
)
_COMPARES = re.compile(
    r"\b(?:than|compared|versus|vs?\.|instead of|rather than|as (?:good|well|much|accurate|fast|many|low|high) as|outperform\w*|beats?|"
    r"overtakes?|surpass\w*|exceed\w*|halv\w*|doubl\w*|tripl\w*|without (?:any )?loss|orders? of magnitude|times (?:as|more|less|fewer|faster)|"
    r"opposed to|down from|up from|from \d\S* (?:\w+ )?to|rules? out|state of the art|no worse|"
    r"als|statt|so (?:gut|viel|schnell) wie|mieux|moins que|plus que|contre|menos que|más que|frente a|чем|вместо|по сравнению)\b"
    r"|比|优于|超过|より|に対し|上回|से (?:बेहतर|अधिक|कम|ज़्यादा)|أفضل|مقارنة",
    re.IGNORECASE,
)
_CHANGES = re.compile(
    r"\b(?:reduc\w*|cuts?|improv\w*|rais\w*|increas\w*|decreas\w*|drops?|falls?|fell|rises?|rose|gains?|lowers?|fewer|less|more|faster|slower|better|"
    r"worse|higher|lower|cheaper|smaller|larger|reach\w*|achiev\w*|attain\w*|predicts?|finds?|found|speeds? up|up to|only|within|gets|got|yields?|"
    r"lifts?|flips?|works?|fool\w*|detects?|agrees?|recover\w*|accuracy|error|success|can be|suffic\w*|enough|explains?|measured|"
    r"saves?|restor\w*|kills?|loses?|lost|cost|costs|survive[sd]?|"
    r"besser|schneller|weniger|mehr|erreicht|steigt|sinkt|fällt|réduit|augmente|atteint|améliore|reduce|aumenta|mejora|alcanza|quita|"
    r"лучше|быстрее|меньше|больше|до|на|с ошибкой|оказались)\b"
    r"|达到|提高|提升|降低|减少|仅|只需|向上|達成|削減|改善|बढ़|घट|नहीं मिला|من .{1,12} إلى",
    re.IGNORECASE,
)
_NUMBER = re.compile(
    r"\d|\b(?:twice|half|halves|double|tenfold|threefold|two|three|four|five|six|nine|ten|twenty|hundred|thousand)\b"
    r"|[一二三四五六七八九十百千万]+(?:倍|分之)",
    re.IGNORECASE,
)
_MEASURED = re.compile(
    r"\d[\d.,]*\s?(?:%|٪|x\b|×|times|fold|percent|points?|pp\b|ms\b|s\b|hours?|minutes?|seconds?|days?|dB|AP\b|BLEU|FID|mAP|AUC|Punkte|AP|K\b|"
    r"citations?|倍|个百分点|ポイント|分の)|(?:AUC|FID|AP|mAP|BLEU|HR|OR|RR|r|p|n|error|accuracy|dice|F1|MAE|RMSE|Dice|IoU|mIoU)\s?(?:of|is|=|was|:|达到)?\s?\d"
    r"|\bin (?:fewer|less|more) than\b|\b(?:half|twice|third|quarter|tenfold|threefold|sixteenfold)\b",
    re.IGNORECASE,
)
_RESULT_SHAPE = re.compile(
    r"\b(?:without|suffices?|enough|no (?:harder|worse|better|longer|effect|loss)|did not|does not|can be|equals?|matches|determin\w*|allows?|lets?|enables?|"
    r"removes?|beats?|predicts?|explains?|learns?|solves?|speeds?|makes?|gives?|keeps?|turns?|identical|impossible|optimal|for the first time|first)\b",
    re.IGNORECASE,
)
FEWEST_OF_A_FINDING = 7  # words
_NUMBERING = re.compile(r"^\(\d{1,3}\) ")
SHORTEST = 4  # words of a sentence that says something


def weakness(sentence: str) -> str:
    """Return the name of the class of sentences that must not lead a post which this one belongs to; "" for none."""
    words = sentence.strip("\"'“”‘’«»()[] \u00a0")
    for name, pattern in _CLASSES.items():
        if pattern.search(words) and not (name in ("background", "a caveat") and introduces(words)):
            return name
    if _QUESTION.search(sentence):
        return "a question"
    if sentence[:1] in "([" and not _NUMBERING.match(sentence):
        return "an aside"
    if sentence[:1] in '"“„«' and sentence[-1:] in '"”“»':
        return "a quotation"
    return ""


def refers_back(sentence: str) -> bool:
    """Return whether a sentence begins with a word that refers to what was said before: "It", "However"."""
    words = sentence.lstrip("\"'“‘«([ \u00a0")
    return bool(_SECOND_THOUGHT.match(words) or _HOWEVER.match(words))


def doubts(sentence: str) -> bool:
    """Return whether a sentence says that the one before it is not so: "So you would think"."""
    return bool(_DOUBTED.search(sentence))


def answers(sentence: str) -> bool:
    """Return whether a sentence after a question answers it."""
    return bool(_ANSWERS.match(sentence)) and len(sentence.split()) > FEWEST_OF_A_FINDING


def strength(sentence: str) -> Strength:
    """Return how good the words of a sentence make it as a beginning."""
    if _KEY.search(sentence):
        return Strength.KEY
    if _FINDING.search(sentence) and len(sentence.split()) >= FEWEST_OF_A_FINDING:
        return Strength.FINDING
    return Strength.COMPARISON if _compares(sentence) else Strength.PLAIN


def _compares(sentence: str) -> bool:
    """Return whether a sentence compares something by a number, or gives a measured change."""
    if not _NUMBER.search(sentence):
        return False
    return bool(_COMPARES.search(sentence) or (_MEASURED.search(sentence) and _CHANGES.search(sentence)))


def claims(sentence: str) -> bool:
    """Return whether a sentence without the authors in it still states something that was found."""
    return _compares(sentence) or bool(_RESULT_SHAPE.search(sentence) or _COMPARES.search(sentence))


def introduces(sentence: str) -> bool:
    """Return whether a sentence introduces what the authors did or found."""
    return bool(_FINDING.search(sentence))
