"""Hard cases, and what should come out, written by hand: a summary's Markdown as a post's prose, formulas, titles, and
what is cut."""

from __future__ import annotations

import pytest
from helpers.basics import make_summary

from digestbot.rendering.renderer import SummaryView
from digestbot.text import UNBROKEN, plain_title, sanitize, to_unicode, truncate


def lead(body: str) -> str:
    return SummaryView(make_summary(1, body=body), "").lead.replace(UNBROKEN, " ")


PROSE = [
    ("emphasis", "It **works** and *well*, _indeed_ ~~not~~.", "It works and well, indeed."),
    ("heading", "# Idea\n\nDrop recurrence.\n\n## Results\n\nBetter.", "Drop recurrence. Better."),
    ("heading underlined", "Idea\n====\n\nDrop recurrence.", "Drop recurrence."),
    ("list", "Good:\n\n* fast\n* small\n\nBad: slow.", "Good: fast; small. Bad: slow."),
    ("list with numbers", "Steps\n\n1. load\n2. train\n3. stop", "Steps: (1) load; (2) train; (3) stop"),
    ("list from three on", "3. third\n4. fourth", "(3) third; (4) fourth"),
    ("nested list", "1. one\n   * in it\n2. two", "(1) one; in it; (2) two"),
    ("tasks", "- [ ] open\n- [x] closed", "☐ open; ☑ closed"),
    ("table", "Before.\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\nAfter.", "Before. After."),
    ("code block", "Before.\n\n```python\n@dataclass\nclass A: ...\n```\n\nAfter.", "Before. After."),
    ("indented code", "Before.\n\n    for x in y:\n\nAfter.", "Before. After."),
    ("code in a line", "Use `a_b_c` and `f(x)`.", "Use a_b_c and f(x)."),
    ("quote", "> All models are wrong.\n\nSo it is.", "All models are wrong. So it is."),
    ("link", "See [the paper](http://example.org/a_b) for more.", "See the paper for more."),
    ("link without its address", "See [the code]() for more.", "See the code for more."),
    ("only links without addresses", "[code]() and [data]()", ""),
    ("picture at the end", "Results are in [the paper]() and ![a plot]().", "Results are in the paper."),
    ("picture in parentheses", "It falls (see ![](http://example.org/x.png)) fast.", "It falls fast."),
    ("autolink", "See <https://arxiv.org/abs/1706.03762>.", "See arxiv․org/abs/1706.03762."),
    ("bare address", "At https://www.example.com/a/b?c=d today.", "At example․com/a/b today."),
    ("long address", "At https://example.com/a/very/long/path/that/goes/on/for/ever.html", "At example․com/…"),
    ("address of another script", "At http://аррӏе.com now.", "At xn--80ak6aa92e․com now."),
    ("files", "Run setup.py, read README.md.", "Run setup․py, read README․md."),
    ("missing space", "This works.It is fast.", "This works. It is fast."),
    ("footnote", "A claim[^1].\n\n[^1]: its source", "A claim."),
    ("html", "<p>A <b>bold</b> claim.</p>", "A bold claim."),
    ("html in a line", "H<sub>2</sub>O<br>and more", "H₂O and more"),
    ("script", "<script>alert(1)</script>\n\nAfter.", "After."),
    ("comparison", "if x<y and y>z then", "if x<y and y>z then"),
    ("entities", "R&amp;D &lt; 5 &copy; 2", "R&D < 5 © 2"),
    ("entities twice", "R&amp;amp;D and &amp;lt;b&amp;gt;bold&amp;lt;/b&amp;gt;", "R&D and bold"),
    ("mention", "Ask @someone and ＠other, RT@third.", "Ask someone and other, RTthird."),
    ("decorator", "The `@property` of `#include`.", "The property of include."),
    ("tags", "On #deeplearning and #1st, issue #12.", "On deeplearning and 1st, issue #12."),
    ("cashtag", "Buy $TSLA and $AAPL now.", "Buy TSLA and AAPL now."),
    ("money", "It costs $5 million, or US$20 an hour.", "It costs $5 million, or US$20 an hour."),
    ("two prices", "From $10 to $20, or 5$ at most.", "From $10 to $20, or 5$ at most."),
    ("price and formula", "For $5 million, $n$ grows.", "For $5 million, n grows."),
    ("bidirectional", "in\u202etxet\u2066x\u2069y", "intxetxy"),
    ("zero width", "a\u200bb\ufeffc\u2060d", "abcd"),
    ("family", "So 👨\u200d👩\u200d👧 agree ☺\ufe0f.", "So 👨\u200d👩\u200d👧 agree ☺\ufe0f."),
    ("persian", "می\u200cخواهم", "می\u200cخواهم"),
    ("rank", "A recall @10 of 5, mAP @0.5, and R@1.", "A recall at 10 of 5, mAP at 0.5, and R@1."),
    ("tags in a row", "a##b and é#x and RT@me", "ab and éx and RTme"),
    ("displayed formula on a line", "through\n$$V$$\nThe factor", "through V. The factor"),
    ("picture and a link", "See ![fig](x.png) and the [code](y) for more.", "See the code for more."),
    ("page mention", "Hello @[123:Somebody].", "Hello [123:Somebody]."),
    ("unfinished emphasis", "The **main idea", "The main idea"),
    ("unfinished link", "See [the page](http://example.com/pro", "See the page"),
    ("unfinished formula", "So $x_1 is", "So $x_1 is".replace("$", "")),
    ("formula in a line", r"Runs in $\mathcal{O}(n \log n)$ time.", "Runs in 𝒪(n log n) time."),
    ("formula between words", r"Let $x\in\mathbb{R}^d$, then $\|x\|_2=1$.", "Let x ∈ ℝᵈ, then ‖x‖₂ = 1."),
    ("displayed formula", "It is\n\n$$a = b$$\n\nhere.", "It is a = b here."),
    ("parenthesis formula", r"With \(x_1\) and \[ y = 2 \] so.", "With x₁ and y = 2 so."),
    ("aligned", "\\begin{align}\na &= b \\\\\nc &= d\n\\end{align}", "a = b; c = d"),
    ("latex in the text", r"We \emph{really} mean 50\% of \textbf{it}.", "We really mean 50% of it."),
    ("two paragraphs without stops", "First thing\n\nSecond thing", "First thing. Second thing"),
    ("chinese", "本文提出了一种新的网络。它很快。", "本文提出了一种新的网络。它很快。"),
    ("product", "We use 3*4*5 of *them*.", "We use 3*4*5 of them."),
    ("mathml", 'At <math xmlns="x"><msub><mi>k</mi><mn>1</mn></msub></math> it doubles.', "At k₁ it doubles."),
    ("mathml of a journal", "<mml:math><mml:mfrac><mml:mi>a</mml:mi><mml:mi>b</mml:mi></mml:mfrac></mml:math>", "a/b"),
    ("broken mathml", "So <math><mi>k</math> is.", "So <math><mi>k</math> is."),
    ("weaknesses", "It works.\n\n## Weaknesses\n\n- none", "It works. Weaknesses: none"),
    ("struck from a sentence", "A ~~bad~~ good ~~old~~.", "A good."),
    ("comparison with a tag's name", "If a<b we stop, else if b>c.", "If a<b we stop, else if b>c."),
    ("formula with a tag's name", "So $p(x_t|x_{<t})$ is it.", "So p(xₜ|x_(<t)) is it."),
    ("ampersands", r"AT&T and R&D use \emph{it}, ~5%.", "AT&T and R&D use it, ~5%."),
    ("prices beside a command", r"$5 and \emph{not} $10.", "$5 and not $10."),
    ("citation", r"Adam \cite{kingma} wins (see \ref{fig:1}).", "Adam wins."),
    (
        "section of a document",
        r"\section{Idea} It works. \begin{itemize}\item fast \item small\end{itemize}",
        "It works. fast; small",
    ),
    ("caption", "It works.\n\nFigure 1: The model.\n\nWell.", "It works. Well."),
    ("pointer to a figure", "It falls fast (see Fig. 3), as shown in the table below.", "It falls fast."),
    ("announced picture", "The model looks like this:\n\n![](http://e.org/a.png)\n\nIt is small.", "It is small."),
    ("bare image", "It works.\nhttps://i.imgur.com/abc.png\n\nWell.", "It works. Well."),
    ("bare video", "https://www.youtube.com/watch?v=abc\n\nThe talk explains it.", "The talk explains it."),
    ("heading without a space", "#Summary\nIt works.", "It works."),
    ("emoji", "It is fast :tada:.", "It is fast 🎉."),
    ("hyphen after a sentence", "It works.The loss falls.", "It works. The loss falls."),
    ("nothing", "", ""),
    ("only a rule", "---", ""),
    ("cut by the store", "word " * 99 + "unfin...", "word " * 98 + "word…"),
]


@pytest.mark.parametrize(("body", "text"), [case[1:] for case in PROSE], ids=[case[0] for case in PROSE])
def test_prose(body: str, text: str) -> None:
    assert lead(body) == text


FORMULAS = [
    (r"\frac{1}{n}\sum_{i=1}^n \ell(x_i)", "1/n ∑ᵢ₌₁ⁿ ℓ(xᵢ)"),
    (r"\frac{a}{bc}", "a/(bc)"),
    (r"\frac{dL}{dw}", "dL/dw"),
    (r"\frac12 x", "1/2 x"),
    (r"\frac{a+b}{\sqrt{c}}", "(a + b)/√c"),
    (r"e^{-\frac{x^2}{2\sigma^2}}", "e^(-x²/(2σ²))"),
    (r"2^{2^n}", "2^(2ⁿ)"),
    (r"x_i^{(t)}", "xᵢ⁽ᵗ⁾"),
    (r"x^{(t)}_i", "xᵢ⁽ᵗ⁾"),
    (r"\mathbb{E}_{x \sim p}[\log D(x)]", "𝔼_(x∼p)[log D(x)]"),
    (r"p(y \mid x)", "p(y | x)"),
    (r"D_{KL}(P \,\|\, Q)", "D_KL(P ‖ Q)"),
    (r"\left\| x \right\|_{2}", "‖x‖₂"),
    (r"\hat{y}, \bar x, \tilde\theta, \vec{v}", "ŷ, x̄, θ̃, v⃗"),
    (r"x \in \{0, 1\}^n", "x ∈ ❴0, 1❵ⁿ"),
    (r"\binom{n}{k}", "(n choose k)"),
    (r"\operatorname*{arg\,max}_\theta L(\theta)", "arg max_θ L(θ)"),
    (r"\underset{x}{\arg\min} f(x)", "arg minₓ f(x)"),
    (r"\begin{cases} x & \text{if } x > 0 \\ 0 & \text{otherwise} \end{cases}", "x if x > 0; 0 otherwise"),
    (r"\begin{bmatrix} 1 & 0 \\ 0 & 1 \end{bmatrix}", "[1 0; 0 1]"),
    (r"f: X \to Y", "f: X → Y"),
    (r"a \Rightarrow b \iff c \leftarrow d", "a ⇒ b ⇔ c ← d"),
    (r"\sum_{j \ne i} w_{ij}", "∑_(j≠i) wᵢⱼ"),
    (r"\nabla_\theta J(\theta)", "∇_θ J(θ)"),
    (r"\mathbf{x}^T \mathbf{W}", "xᵀ W"),
    (r"x' = f'(x)", "x' = f'(x)"),
    (r"a \not\in B", "a ∉ B"),
    (r"3 \cdot 10^{-4}", "3 · 10⁻⁴"),
    (r"\text{accuracy} = \frac{\text{correct}}{\text{total}}", "accuracy = correct/total"),
    (r"\softmax(z)_i", "softmax(z)ᵢ"),
    (r"\badmacro{x} + \frac{", "x +"),
    (r"{\cal L}_1", "ℒ₁"),
    (r"O(n^{2.81})", "O(n^2.81)"),
    (r"-x_1 + -2", "-x₁ + -2"),
    (r"\frac{1}{n(n-1)}", "1/(n(n - 1))"),
    (r"\frac{p(x)}{q(x)}", "p(x)/q(x)"),
    (r"\sqrt{n(n-1)}", "√(n(n - 1))"),
    (r"\sqrt{x}^2 + \sqrt{x}y", "(√x)² + √x y"),
    (r"a/\frac{b}{c}", "a/(b/c)"),
    (r"\log\frac{p}{q}", "log (p/q)"),
    (r"x^*x", "x* x"),
    (r"\norm{x}_2 + \abs{y}", "‖x‖₂ + |y|"),
    (r"X \backslash \{x\}", "X ∖ ❴x❵"),
    (r"\mathcal{P}(X)", "𝒫(X)"),
    (r"\left\{\begin{array}{ll}x & x>0\\0 & x\le0\end{array}\right.", "x, x > 0; 0, x ≤ 0"),
    (r"\left(\begin{matrix}a & b\\c & d\end{matrix}\right)", "(a b; c d)"),
    (r"{a \over b} + {n \choose k}", "a/b + (n choose k)"),
    (r"k\text{-NN}, \epsilon\text{-greedy}, 10\text{k}", "k-NN, ϵ-greedy, 10k"),
    (r"\text{where $n$ is the size}", "where n is the size"),
    (r"\text{Schr\"odinger}", "Schrödinger"),
    (r"\newcommand{\R}{\mathbb{R}} x \in \R", "x ∈ ℝ"),
    (r"\text{mAP}@0.5", "mAP@0.5"),
    (r"x^2 \, .", "x²."),
]  # fmt: skip


@pytest.mark.parametrize(("formula", "text"), FORMULAS)
def test_formulas(formula: str, text: str) -> None:
    assert to_unicode(formula).replace(UNBROKEN, " ") == text


TITLES = [
    ("Attention Is All You Need.", "Attention Is All You Need"),
    ("Deep learning &amp;amp; its discontents", "Deep learning & its discontents"),
    (r"An $\mathcal{O}(n)$ Algorithm for {BERT}: 50% of {GPU}s", "An 𝒪(n) Algorithm for BERT: 50% of GPUs"),
    ("M\\\"uller's \\textit{test}", "Müller's test"),
    ("From $5 to $6 a month", "From $5 to $6 a month"),
    ("Is $P = NP$? A $k$-means view", "Is P = NP? A k-means view"),
]


@pytest.mark.parametrize(("title", "text"), TITLES)
def test_titles(title: str, text: str) -> None:
    assert plain_title(title).replace(UNBROKEN, " ") == text


CUTS = [
    ("One sentence by Kingma et al. in 2014, e.g. this. Another of 3.5 words goes on.", 60,
     "One sentence by Kingma et al. in 2014, e.g. this."),
    ("See Fig. 3 and Sec. 4.2 for the 3.5% of Dr. Smith. The rest follows here.", 60,
     "See Fig. 3 and Sec. 4.2 for the 3.5% of Dr. Smith."),
    ("The answer is no. We tried everything that we could think of.", 30, "The answer is no."),
    ("It learns features of images, texts and sounds at once without labels", 40,
     "It learns features of images…"),
    ("A first clause, and then a second one that goes on for a long while", 64,
     "A first clause, and then a second one that goes on for a long…"),
    ("Steps: 1. load the data. 2. train the model. 3. stop it", 42, "Steps: 1. load the data."),
    ("Does it work? Yes! Very well indeed, says everybody who has tried", 30, "Does it work? Yes!"),
    ("神经网络很好。它学习特征。它没有标签也能学习特征。", 14, "神经网络很好。它学习特征。"),
    ("神经网络，没有标签也能学习特征的方法有很多种", 12, "神经网络，没有标签也能…"),
    ("The value is 1,234,567 in all and then some more", 24, "The value is 1,234,567…"),
    ("An item (with a remark that is long) ends here and goes on", 40, "An item (with a remark that is long)…"),
    ('He called it "a great idea" since nobody else had had it', 30, 'He called it "a great idea"…'),
    ("word " * 20 + "end.", 30, "word word word word word word…"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "most", "kept"), CUTS)
def test_cuts(text: str, most: int, kept: str) -> None:
    assert truncate(text, most) == kept
    assert len(kept) <= most


def test_a_formula_is_never_cut() -> None:
    text = sanitize(f"It holds that {to_unicode(r'a = b + c + d + e')} for all of them")
    assert truncate(text, 24) == "It holds…"
    assert truncate(text, 33).replace(UNBROKEN, " ") == "It holds that a = b + c + d + e…"


def test_the_golden_set_is_large_enough() -> None:
    assert len(PROSE) + len(FORMULAS) + len(TITLES) + len(CUTS) >= 100
