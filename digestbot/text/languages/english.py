"""The words of English by which the structure of a summary and the worth of its sentences are known."""

from __future__ import annotations

from digestbot.text.languages.base import Language, TextSection

ENGLISH = Language(
    abbreviations=(r"al|approx|ca|cf|dr|etc|jr|mr|mrs|ms|prof|resp|sr|st|viz|v|vs"),
    may_end=(r"al|etc|jr|sr|inc"),
    numbered=(r"alg|app|ch|def|eq|eqn|eqs|ex|fig|figs|lem|no|nos|p|pp|prop|ref|refs|sec|sect|tab|thm|vol"),
    notes=(
        (
            r"^[(\[]*(?:i|we) (?:read|came across|found this|stumbled|picked|chose|summari[sz]ed?|wrote|"
            r"presented|skipped?|discussed|watched|skimmed)\b"
        ),
        (
            r"\b(?:reading group|journal club|my notes|these (?:are|notes)|personal notes|my summary|"
            r"this summary|this post|cross-?posted|my blog|disclaimer|full disclosure|conflict of interest|"
            r"pointing me|pointed me|hat tip|h/t)\b"
        ),
        r"^(?:thanks|thank you|hi all|hello|hey|warning|edit|update|caution|spoiler)\b",
        r"^(?:first|second) (?:time|post|summary) i\b",
        r"\bbe kind\b",
        r"\bi skip\b",
        r"\bi(?:'m| am) (?:not )?(?:an? |the )?(?:author|expert)",
        (
            r"^(?:posting|sharing|read(?:ing)? for|read|reviewed|reviewing|writing|presenting|have a look|"
            r"take a look|look at|note to self)\b"
        ),
        r"[★☆]",
        r"^(?:i|my|me|we all|you)\b",
        r"[, ](?:i|my|me|i'm|i've|i'd|i'll|you|your|myself|us)[ ,.!?']",
        (
            r"\b(?:neurips|nips|icml|iclr|cvpr|iccv|eccv|acl|emnlp|naacl|aaai|ijcai|osdi|sosp|sigmod|vldb|kdd|"
            r"www|chi|nsdi|sigcomm|nature|science|cell|pnas|colt|jmlr|tpami|siggraph|usenix|ccs|"
            r"oakland) (?:paper,? )?['’]?(?:19|20)?\d\d\b[^.]{0,20}\.?$"
        ),
        r"^keywords?\b",
        r"\b\d+ (?:pages|figures|citations)\b",
        r"^(?:abstract|summary) (?:shortened|copied|taken|from)\b",
        r"^you (?:find|can|may|will|should)\b",
        r"^(?:watch|listen to|read|check out) (?:the|this|their|it)\b",
    ),
    verdicts=(
        r"^all in all\b",
        r"^(?:in my opinion|imo|imho|personally|honestly)\b",
        r"\b(?:under|over)rated\b",
        r"\bhidden gem\b",
        r"\bworth (?:it|your)\b",
        (
            r"^(?:this|it|the paper|overall,?|all in all,?|i think|imho|in my opinion|"
            r"personally)?[, ]*(?:this |it )?(?:is|was|are)(?: (?:an?|the|one of the))?(?: (?:very|really|"
            r"super|quite|truly|rather|such|pretty|most|extremely|interestingly|"
            r"surprisingly))* ?(?:\w+ly )?(?:nice|great|good|interesting|excellent|cool|neat|fun|solid|"
            r"impressive|beautiful|elegant|pragmatic|important|seminal|landmark|classic|must[- ]read|"
            r"well[- ]written|lovely|amazing|fascinating|remarkable|strange|weird|bad|poor|weak|disappointing|"
            r"simple|clever|creative|inspiring|stimulating|enjoyable|boring|dense|long|short|worth|gem|"
            r"controversial|influential|timely)\b(?! (?:than|that|to (?:show|see that)))"
        ),
        (
            r"^(?:what an?|really|very|such an?|absolutely|extremely|super|wow|great|nice|cool|neat|excellent|"
            r"awesome|solid|interesting|strong|beautiful|impressive|good|simple|clever|elegant|careful|thorough)\b"
            r"[^.]{0,60}\b(?:work|paper|read|ideas?|experiments|results?|stuff|job|words|written|study|piece|article)\b"
        ),
        (
            r"\bi (?:really |quite |particularly |very much |simply |just )?(?:like|love|enjoy|liked|loved|"
            r"enjoyed|appreciate|recommend|hate|dislike|wish|guess|wonder|doubt|hope|believe|suspect|feel|"
            r"would|couldn't|could not|can't|miss|don't|didn't|must say|have to|find|found|still|am|think)\b"
        ),
        r"\bi(?:'d|'m|'ve|'ll)\b",
        r"\bto me,",
        r"\b(?:well|clearly|badly|nicely|poorly) (?:written|explained|structured)\b",
        r"\beasy to (?:read|follow)\b",
        r"\bhard to (?:read|follow)\b",
        r"\bmust[- ]read\b",
        r"\brequired reading\b",
        r"\bworth (?:reading|a read)",
        r"\bmy (?:score|favou?rite|rating)\b",
        r"\b(?:clear|weak|strong|borderline) (?:accept|reject)",
        r"\bcongratulations\b",
        r"\bkudos\b",
    ),
    background=(
        (
            r"^(?:often|usually|typically|traditionally|historically|recently|nowadays|today(?!'s)|currently|"
            r"generally|commonly|conventionally|in (?:recent|the last|the past) (?:years|decades?|months)|"
            r"over the (?:last|past)|for (?:years|decades|centuries|a long time)|since (?:its|"
            r"the) (?:introduction|invention|advent)|most|many|much|several|some|everybody|everyone|"
            r"people (?:often|usually|have|think|believe|tend|like|say|want|do)|all of us|"
            r"who(?:ever)? (?:among|has|hasn't)|nobody|there (?:is|are|has|have)|while many)\b"
        ),
        (
            r"\b(?:is|are) (?:an?|the|one of the)(?: \w+){0,3} (?:task|problem|challenge|area|field|topic|"
            r"question|technique|approach|goal|cornerstone|step|tool|class|family|branch|dream|process|"
            r"procedure|issue|part|component|concern|bottleneck|workhorse|standard)\b(?! (?:that|which) (?:we|"
            r"the authors))"
        ),
        (
            r"\b(?:recent(?:ly)?|previous|prior|existing|earlier|current|traditional|conventional|classical|"
            r"most|past|standard|many|today's|state-of-the-art) (?:\w+ )?(?:work|works|research|stud(?:y|ies)|"
            r"methods?|approaches|models?|algorithms?|techniques?|systems?|papers|literature|practice|"
            r"detectors|solutions|protocols|advances|progress|benchmarks|theories|theory|"
            r"literature)\b(?! in this)"
        ),
        (
            r"\b(?:has|have) (?:been (?:widely|used|studied|proposed|around|an?|the|applied|extensively|known|"
            r"shown|build|built|dominated|successful|very|much|some|many|done|great)|become|attracted|gained|"
            r"seen|received|achieved|long|recently|already)\b"
        ),
        (
            r"\b(?:it is|it's|is) (?:well[- ]known|widely|commonly|generally|often|usually|known|said|thought|"
            r"believed|assumed|hard|difficult|crucial|essential|important|notoriously|expensive|a dream|"
            r"critical|vital|desirable|challenging)\b"
        ),
        (
            r"\b(?:are|is) (?:nowadays |now |today |usually |often |typically |mostly |commonly |generally |"
            r"widely |frequently |notoriously |traditionally |still |extremely |very )+(?:used|trained|"
            r"applied|done|hard|difficult|expensive|slow|costly|deployed|employed|built|limited|evaluated|"
            r"lacking|poorly|believed|thought|assumed)\b"
        ),
        (
            r"\b(?:remains?|poses?) (?:an? )?(?:\w+ )?(?:open|challeng|unclear|difficult|hard|problem|"
            r"unsolved|poorly)"
        ),
        r"conventional wisdom",
        r"common(?:ly held)? belief",
        r"\bmyth\b",
        r"according to (?:a|the|popular|conventional)",
        r"\bwe all know\b",
        r"\bplays? an? (?:\w+ )?role\b",
        r"\bhas been around\b",
        r"\bis everywhere\b",
        r"\bof great interest\b",
        r"\b(?:suffers?|suffered) from\b",
        r"\bthe usual (?:way|procedure|approach|recipe)\b",
        (
            r"(?<!as )\bhad (?:already |previously |long )?(?:been |shown|found|proposed|proved|introduced|"
            r"argued|observed|established|demonstrated|reported)"
        ),
        (
            r"^(?:in|since|around|until|before|by|back in) (?:the )?(?:early |late |mid-?)?(?:1[5-9]|"
            r"20)\d\d(?:s|'s)?\b"
        ),
        r"\b(?:years|decades) (?:ago|later|longer|earlier)\b",
        r"^(?:the )?(?:original|vanilla|usual|old)\b",
        r"\bof the (?:original|first|previous|earlier) \w+ (?:paper|work|model)\b",
        (
            r"^(?:the )?(?:standard|classic|classical|first) (?:\w+ )?(?:approach|way|recipe|method|practice|"
            r"solution|model)\b"
        ),
        r"\bnobody (?:knew|knows|has|had)\b",
        r"\bsays? that\b",
        (
            r"\b(?:is|are) (?:a|an) (?:set|kind|type|form|way|measure|method|family|generali[sz]ation|"
            r"special case|database|distribution|function|collection) (?:of|that|to|in|for|which)\b"
        ),
        (
            r"\b(?:showed|proved|found|proposed|introduced|built|published|invented|"
            r"discovered)\b[^.]{0,30}\bin (?:1[5-9]|20)\d\d\b"
        ),
        r"^(?:an?|the) [\w -]{3,30} (?:is|are) (?:\w+ ){0,3}(?:if|when|whenever)\b",
        r"^[a-z] (?:is|be|are|denotes?)\b",
        r"^(?:imagine|suppose|consider|let|assume|given|recall|think of)\b",
        r"\b(?:can|could|will|would) (?:never|not|hardly|only|usually)\b",
        r"\bcannot\b",
        r"\bcan't\b",
    ),
    topics=(
        (
            r"^(?:(?:(?:this|the|present|our|their|current|following)\s+(?:\w+\s+)?(?:paper|work|article|"
            r"study|publication|manuscript|thesis|report|survey|summary|post|review|preprint|note|authors?|"
            r"researchers?))|it|this|these|a follow-up)\s+(?:\w+ly\s+)?(?:deals?|is (?:about|concerned|"
            r"devoted|on)|concerns?|expands?|extends?|builds?|follows?|continues|addresses|tackles|discusses|"
            r"covers|looks at|explores|investigates the|considers|revisits|focuses|talks about|"
            r"is an? (?:extension|follow-up|continuation|survey|review|overview|attempt|comparison|study of|"
            r"summary)|to )"
        ),
        (
            r"^(?:specifically,? |here,? |so,? )?(?:(?:(?:this|the|present|our|their|current|"
            r"following)\s+(?:\w+\s+)?(?:paper|work|article|study|publication|manuscript|thesis|report|survey|"
            r"summary|post|review|preprint|note|authors?|researchers?))|they|we) (?:asks? (?:if|whether|how|"
            r"what|why|for|themselves)|wants?|wonders?|tr(?:y|ies) to|(?:investigate|study|studies|explore|"
            r"examine)s? (?:if|whether|how|what|why|the (?:effect|problem|question|role)))\b"
        ),
        r"^a follow-up\b",
        r"^follow-up\b",
        r"^in this (?:post|summary|note)",
    ),
    pointers=(
        (
            r"^(?:see|cf\.|refer to|as (?:the|you|we|can|shown|seen|in)\b[^,]{0,40}(?:figure|table|picture|"
            r"plot|image|above|below|shows?|see))"
        ),
        r"^(?:the|this) (?:figure|table|picture|plot|image|diagram|graph|screenshot|video|code|talk)\b",
        (
            r"\b(?:is|are) (?:shown|given|listed|depicted|illustrated) (?:below|above|in (?:the )?(?:figure|"
            r"table|section|appendix))"
        ),
        (
            r"^(?:code|data|models?|datasets?|slides|videos?|supplement\w*|implementation)\b[^.]{0,25}\b(?:is|"
            r"are|here|available|released|at|on|'s)\b"
        ),
        r"(?:code|implementation) (?:is|are|was|will be)\b",
        r"\bopen[- ]sourced?\b.{0,12}$",
        r"is available (?:at|on|here)",
        r"^(?:table|figure|fig\.?|section|appendix|eq\.?|algorithm)\s*\d",
    ),
    caveats=(
        (
            r"^(?:unfortunately|sadly|caveats?|limitations?|one (?:caveat|limitation|drawback|weakness|"
            r"complaint|downside)|however, (?:the|it) (?:paper|authors?) (?:do|does|did)|the (?:main |only |"
            r"biggest )?(?:caveat|limitation|drawback|weakness|downside|complaint|problem with)|"
            r"no (?:comparison|code|experiments?|ablations?|theory|human|error bars|baselines?|difference|"
            r"results?|real)|not clear|it is not clear|it's not clear|unclear|it remains|it would|would|"
            r"should|downstream|experiments there|what i miss|missing)\b"
        ),
        (
            r"\b(?:isn't|is not|aren't|are not|wasn't|was not|not) (?:clear|discussed|reported|compared|shown|"
            r"tested|mentioned|explained|convincing|given)\b"
        ),
        r"\bout of scope\b",
        (
            r"\b(?:was|were|is|are|has|have) (?:not|never) (?:been )?(?:tried|supported|tested|evaluated|"
            r"released|measured|available|studied)\b"
        ),
        r"\b(?:doesn't|does not|don't|do not|didn't|did not) help\b",
        r"\bnot supported\b",
        r", they say\b",
        r"\bi must say\b",
        r"\bonly complaint\b",
        r"\bwould have liked\b",
        r"\b(?:mice|english|synthetic|simulation) only\b",
        r"\bfuture work\b",
        r"\bopen question\b",
        r"\bkeep that in mind\b",
        r"\bmy (?:only )?(?:concern|complaint|question|criticism)\b",
        r"\bsmall sample\b",
        r"\bcausality\b",
    ),
    refers_back=(
        (
            r"^(?:it(?! (?:turns|turned) out)|its|it's|they|their|them|"
            r"this(?! (?:paper|work|article|study|thesis|report|survey))|"
            r"that(?! said)|these|those|he|she|his|her|such|however|so|but|thus|therefore|hence|also|moreover|"
            r"furthermore|additionally|besides|and|then|instead|nevertheless|nonetheless|consequently|finally|"
            r"lastly|next|second(?:ly)?|third(?:ly)?|similarly|likewise|in contrast|by contrast|"
            r"on the other hand|in addition|as a result|for (?:example|instance|this)|e\.g\.|i\.e\.|"
            r"in other words|in fact|indeed|here|there|both|neither|the (?:latter|former|same|other|rest|"
            r"reason|idea is that|second|third)|another|other|otherwise|yet|still|again|to (?:do|achieve|"
            r"solve|address|fix|avoid) (?:this|so|that|it)|one (?:way|reason|of them)|in general yes|yes|no|"
            r"well)\b"
        ),
        r"^\W*(?:[\w'’-]+\W+){1,4}(?:however|meanwhile|though|therefore)\b",
        (
            r"^.{0,50}\b(?:argue|show|find|say|claim|believe|suggest|prove|note|demonstrate|"
            r"explain)s?,? (?:that )?(?:its?|this|these|both|they|their|such)\b(?! (?:paper|work|method|model|"
            r"approach))"
        ),
    ),
    doubts=(
        (
            r"^(?:that (?:sentence|claim|belief|view|is (?:what|the)|was)|so (?:you|one|it)(?:'d|"
            r" would)? (?:think|seems?)|or so|dozens|everyone|this (?:belief|claim|view|is (?:what|wrong|not|"
            r"a myth))|not (?:so|quite|really)|wrong|false|it (?:isn't|is not|wasn't|turns out)|well, no)\b"
        ),
        (
            r"\b(?:agree on it|apart\.?$|this is wrong|is (?:a )?myth|no longer true|doesn't hold|"
            r"does not hold|not true|the opposite|nonsense)"
        ),
    ),
    answers=(
        (
            r"^(?:yes|no|in general|not (?:really|quite|always)|it (?:does|is|can|isn't|doesn't)|they (?:do|"
            r"are|can)|mostly|only|usually|surprisingly)\b"
        ),
    ),
    key=(
        (
            r"\b(?:take[- ]?away|take[- ]home|key (?:idea|insight|finding|contribution|point|observation|"
            r"trick)|main (?:idea|insight|finding|contribution|result|point|message|claim)|core (?:idea|"
            r"insight|contribution)|central (?:idea|insight|claim)|the (?:upshot|punchline|bottom line|crux|"
            r"essence|contribution) (?:is|here is|of)|in (?:short|essence|a nutshell)|to (?:sum up|summarize|"
            r"summarise)|boils? down to|what(?:'s| is) new)\b"
        ),
    ),
    findings=(
        (
            r"\b(?:they|he|she)\s+(?:\w+ly\s+|then\s+|also\s+|first\s+)?(?:show|find|found|prove|propose|introduce|"
            r"present|demonstrate|develop|derive|report|argue|conclude|train|build|collect|compare|use|replace|"
            r"release)\w*"
        ),
        (
            r"\b(?:(?:we|the (?:authors?|researchers?|team|paper|study|work|article|method|model|approach|"
            r"algorithm|system|network|results?|experiments?)|(?:this|our|their) (?:\w+ )?(?:paper|work|study|"
            r"article|method|model|approach|result|analysis|thesis|survey)|[A-Z][\w-]+ (?:et al\.|"
            r"and (?:coauthors|colleagues|co-workers|[A-Z][\w-]+)))(?:'s)?)\s+(?:\w+ly\s+|then\s+|also\s+|"
            r"thus\s+|here\s+|therefore\s+|can\s+|first\s+)?(?:show|find|found|prove|proposes?|introduces?|"
            r"presents?|demonstrate|develops?|describes?|designs?|derives?|obtains?|reports?|releases?|shows|"
            r"finds|proves|demonstrates|discover|establish|reveal|argue|observe|repeat|trains?|learns?|"
            r"builds?|uses?|combines?|replaces?|reaches?|achieves?|outperforms?|measures?|predicts?|give|"
            r"gives|provides?|models?|estimates?|identify|identifies|conclude|suggest|solves?|reduces?|"
            r"improves?|applies|apply|asks? [A-Z]|label|collect|fuzz|embed|consider bandits|consists?|"
            r"formulate|estimate|compares?|analy[sz]es?|test|evaluate|validate|turns?|converts?|generates?|"
            r"detects?|recovers?|extracts?|maps?|treats?|adds?|encodes?|let|lets|make|makes|zero out|emits|"
            r"instead emits|obtain|determin|explain|use|cast|view|interpret|quantif|extend|generali[sz]e|unif|"
            r"re-?implement|replicat)\w*"
        ),
        (
            r"\bin this (?:paper|work|article|study|trial|thesis)\b[^.]{0,80}\b(?:we|they|is|are|the authors|it|"
            r"did|there)\b"
        ),
        (
            r"\b(?:is|are|was|were) (?:proposed|introduced|presented|shown to|found to|proven|proved|derived|"
            r"demonstrated)\b"
        ),
        r"\bit turns out\b",
        r"\bturns out\b",
        r"\bsurprisingly\b",
        r"\bfor the first time\b",
        r"\bfirst (?:method|model|proof|algorithm|system|trial|time)\b",
    ),
    compares=(
        (
            r"\b(?:than|compared|versus|vs?\.|instead of|rather than|as (?:good|well|much|accurate|fast|many|"
            r"low|high) as|"
            r"(?:does|do|did|performs?|works?|trains?|learns?) (?:just )?as well|outperform\w*|beats?|overtakes?|"
            r"surpass\w*|exceed\w*|halv\w*|doubl\w*|tripl\w*|"
            r"without (?:any )?loss|orders? of magnitude|times (?:as|more|less|fewer|faster)|opposed to|"
            r"down from|up from|from \d\S* (?:\w+ )?to|rules? out|state of the art|no worse)\b"
        ),
    ),
    changes=(
        (
            r"\b(?:reduc\w*|cuts?|improv\w*|rais\w*|increas\w*|decreas\w*|drops?|falls?|fell|rises?|rose|"
            r"gains?|lowers?|fewer|less|more|faster|slower|better|worse|higher|lower|cheaper|smaller|larger|"
            r"reach\w*|achiev\w*|attain\w*|predicts?|finds?|found|speeds? up|up to|only|within|gets|got|"
            r"yields?|lifts?|flips?|works?|fool\w*|detects?|agrees?|recover\w*|accuracy|error|success|can be|"
            r"suffic\w*|enough|explains?|measured|saves?|restor\w*|kills?|loses?|lost|cost|costs|"
            r"survive[sd]?)\b"
        ),
    ),
    labels={
        TextSection.TLDR: (
            r"tl;dr|tl:dr|tldr|tl; dr|tl dr|in short|in a nutshell|in brief|in one sentence|"
            r"one[- ]sentence summary|one[- ]line summary|one[- ]liner|bottom line|short version|gist|the gist"
        ),
        TextSection.KEY: (
            r"(?:the )?(?:main|key|core|big|central|basic|high[- ]level|general) (?:ideas?|points?|"
            r"contributions?|insights?|takeaways?|take[- ]aways?|results?|findings?|claims?|messages?|"
            r"observations?|concepts?|innovations?|novelty)|(?:the )?ideas?|contributions?|takeaways?|"
            r"take[- ]aways?|take[- ]home(?: message)?s?|novelty|insights?|what(?:'s| is) new|what they did|"
            r"what (?:do|did) they do|proposed (?:method|approach|solution|model)"
        ),
        TextSection.RESULTS: (
            r"(?:main |key |experimental |empirical )?(?:results?|findings?|conclusions?|outcomes?)|"
            r"what they (?:found|show)|conclusion and discussion"
        ),
        TextSection.BODY: (
            r"(?:paper |short |brief |quick )?summary|abstract|overview|synopsis|description|methods?|"
            r"methodology|approach|model|models|architecture|algorithm|technique|solution|implementation|"
            r"details?|technical details?|how it works|how|what|setup|experiments?|evaluation|data|datasets?|"
            r"training|theory|analysis|discussion|content|review"
        ),
        TextSection.BACKGROUND: (
            r"(?:notation|definitions?|preliminaries|setting|history|introduction|intro|background|motivation|"
            r"problem|problem statement|the problem|context|related work|prior work|previous work|task|goal|"
            r"objective|purpose|why|question|research question)s?"
        ),
        TextSection.OPINION: (
            r"strengths?|weakness(?:es)?|strong points?|weak points?|pros?|cons?|advantages?|disadvantages?|"
            r"positives?|soundness|clarity|originality|significance|quality|reproducibility|relevance|"
            r"negatives?|limitations?|shortcomings?|drawbacks?|comments?|(?:my |additional |"
            r"general )?(?:opinions?|thoughts?|comments|notes?|take|impressions?|critique|criticisms?|verdict|"
            r"questions?|remarks?)|questions?|open questions?|future work|notes?|funny|what i (?:learned|"
            r"liked|didn't like|think)|misc"
        ),
        TextSection.METADATA: (
            r"papers?|code|source code|authors?|tags?|year|venue|links?|urls?|project(?: page)?|website|"
            r"webpage|published|publication(?: date)?|date|keywords?|source|github|repo|repository|demo|"
            r"videos?|talk|blog(?: post)?|slides|poster|conference|journal|doi|arxiv|pdf|openreview|"
            r"paper link|code link|link to (?:the )?(?:paper|code)|paper title|title|citations?|bibtex|"
            r"affiliations?|institutions?|pages|language|read(?: on)?|reviewed by|ratings?|scores?|"
            r"overall(?: score| rating)?|confidence|recommendation|decision|edit|edited|disclaimer|posted|"
            r"topics?|category"
        ),
        TextSection.REFERENCES: (
            r"see also|references?|further reading|related (?:links|reading|summaries)|bibliography|resources|"
            r"useful links|external links|acknowledge?ments?|footnotes"
        ),
    },
)
