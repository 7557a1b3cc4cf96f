"""Summaries as readers of such a site write them, for the sample pages and for reading by eye. Written for this purpose."""

from __future__ import annotations

from digestbot.domain.model import Paper, Summary

_SITE = "http://www.shortscience.org/paper?bibtexKey="


def _made(
    key: str, title: str, authors: str, venue: str, year: int, category: str, writer: str | None, body: str
) -> Summary:
    handle = writer.lower().replace(" ", "-") if writer else None
    names = tuple(name.strip() for name in authors.split(",") if name.strip())
    paper = Paper(key, title, authors=names, venue=venue or None, year=year or None, category=category or None)
    return Summary(paper, writer, handle, body.strip(), f"{_SITE}{key}#{handle or 'anon'}", votes=3)


ALL = [
    _made("conf/nips/VaswaniSPUJGKP17", "Attention Is All You Need.",
          "Ashish Vaswani, Noam Shazeer, Niki Parmar, Jakob Uszkoreit, Llion Jones", "NIPS", 2017, "cs.CL", "Ada Reads", r"""
# Idea

Drop recurrence and convolution altogether: every token looks at every other through
$$\mathrm{Attention}(Q, K, V) = \mathrm{softmax}\left(\frac{QK^\top}{\sqrt{d_k}}\right)V$$
The factor $1/\sqrt{d_k}$ keeps the softmax out of the region where its gradient vanishes.

* $h = 8$ heads look at different things at once
* sines and cosines tell the position: $PE_{(pos, 2i)} = \sin(pos / 10000^{2i/d})$

| model | BLEU |
|---|---|
| base | 27.3 |
| big | **28.4** |

# What I liked

Training takes 3.5 days on eight GPUs, a fraction of what came before. The paper is short on *why* it works, though.
"""),
    _made("journals/corr/1412.6980", "Adam: A Method for Stochastic Optimization", "Diederik P. Kingma, Jimmy Ba",
          "ICLR", 2015, "cs.LG", "Grace H.", r"""
Adam keeps running averages of the gradient and of its square, $m_t = \beta_1 m_{t-1} + (1-\beta_1) g_t$ and
$v_t = \beta_2 v_{t-1} + (1-\beta_2) g_t^2$, corrects both for their start at zero, and steps by
$$\theta_t = \theta_{t-1} - \alpha \frac{\hat m_t}{\sqrt{\hat v_t} + \epsilon}$$
The step is about $\alpha$ whatever the scale of the gradient, so one setting serves many problems: $\alpha = 10^{-3}$,
$\beta_1 = 0.9$, $\beta_2 = 0.999$. It needs little memory. The proof of convergence has a gap that later papers found.
"""),
    _made("conf/cvpr/HeZRS16", "Deep Residual Learning for Image Recognition",
          "Kaiming He, Xiangyu Zhang, Shaoqing Ren, Jian Sun", "CVPR", 2016, "cs.CV", "Lin", r"""
Deeper plain nets get *worse* on the training set, so it is no overfitting. The authors let layers learn what is to be
added to their input, $y = \mathcal{F}(x, \{W_i\}) + x$, which is easy to set to zero. With 152 layers the top-5 error on
ImageNet is 3.57%, cf. Fig. 4. Everything since has such shortcuts.
"""),
    _made("conf/nips/GoodfellowPMXWOCB14", "Generative Adversarial Networks", "Ian J. Goodfellow, Jean Pouget-Abadie",
          "NIPS", 2014, "stat.ML", None, r"""
Two nets play a game, $\min_G \max_D V(D, G) = \mathbb{E}_{x \sim p_{data}}[\log D(x)] +
\mathbb{E}_{z \sim p_z}[\log(1 - D(G(z)))]$. The generator never sees the data, only the gradient of the discriminator.

1. Train $D$ for $k$ steps
2. Train $G$ for one
3. Repeat until $p_G = p_{data}$, where $D(x) = \frac{1}{2}$ everywhere

I could not get it to converge on anything but digits; mode collapse is real.
"""),
    _made("journals/corr/1611.03530", "Understanding deep learning requires rethinking generalization",
          "Chiyuan Zhang, Samy Bengio, Moritz Hardt", "ICLR", 2017, "cs.LG", "Émile du Nord", r"""
The networks that win on ImageNet also fit *random labels* without effort. So the number of parameters, the VC dimension or
the Rademacher complexity cannot explain why they generalise: for random labels $\hat{\mathfrak{R}}_n(\mathcal{H}) \approx 1$.
Explicit regularisation (weight decay, dropout, augmentation) helps a bit but is neither necessary nor sufficient!
What does the work, then? Perhaps SGD itself: on a linear model it finds the solution of minimum norm. Run `train.py` from
https://github.com/example/fitting-random-labels to see it yourself; it takes 2 h on a $5,000 machine.
"""),
    _made("conf/icml/IoffeS15", "Batch Normalization: Accelerating Deep Network Training by Reducing Internal Covariate "
          "Shift", "Sergey Ioffe, Christian Szegedy", "ICML", 2015, "", "Reader Four", r"""
Normalise each activation over the mini-batch, then let the net undo it: $$y_i = \gamma \frac{x_i - \mu_B}
{\sqrt{\sigma_B^2 + \epsilon}} + \beta$$ Training takes 14 times fewer steps. I could reproduce the speed-up but not the
explanation.
"""),
    _made("journals/corr/KingmaW13", r"Auto-Encoding Variational {Bayes}", "Diederik P. Kingma, Max Welling", "ICLR", 2014,
          "stat.ML", "Ada Reads", r"""
The bound to maximise is $$\mathcal{L}(\theta, \phi; x) = -D_{KL}(q_\phi(z|x) \,\|\, p_\theta(z)) +
\mathbb{E}_{q_\phi(z|x)}[\log p_\theta(x|z)]$$ Its first term is a regulariser, the second a reconstruction error. The trick
that makes it work is to write $z = \mu + \sigma \odot \epsilon$ with $\epsilon \sim \mathcal{N}(0, I)$, so that the gradient
passes through the sampling.
"""),
    _made("conf/nips/RenHGS15", "Faster R-CNN: Towards Real-Time Object Detection with Region Proposal Networks",
          "Shaoqing Ren, Kaiming He, Ross B. Girshick, Jian Sun", "NIPS", 2015, "cs.CV", "Reader O'Eight", r"""
**Problem:** region proposals take longer than the detection itself.

**Solution:** a small *Region Proposal Network* on top of the shared features, with $k = 9$ anchors at each place. Its loss:

$$L = \frac{1}{N_{cls}} \sum_i L_{cls}(p_i, p_i^*) + \lambda \frac{1}{N_{reg}} \sum_i p_i^* L_{reg}(t_i, t_i^*)$$

where $p_i^* = \begin{cases} 1 & \text{if anchor } i \text{ is positive} \\ 0 & \text{otherwise} \end{cases}$. It runs at
5 fps on a K40. See [the code]() and ![the figure]().
"""),
    _made("10.1038/nature14539", "Deep learning &amp;amp; its discontents", "Yann LeCun, Yoshua Bengio, Geoffrey Hinton",
          "Nature", 2015, "", "Leser Fünf-Hübner", """
A review. R&amp;D budgets &amp; "big data" get a paragraph each; <b>representations</b> get the rest. Ask @someone or see
#deeplearning, setup.py and $5 books.
"""),
    _made("journals/corr/1706.05721", "On $k$-Means with $\\mathcal{O}(n \\log n)$ Comparisons", "Max Mustermann",
          "", 2017, "cs.DS", "Müller", r"""
Die Autoren zeigen z.B., dass ca. 3,5 % der Vergleiche reichen (vgl. Satz 2). Der Beweis nutzt die Ungleichung
$\|x - \mu\|_2^2 \ge \sum_{j \ne i} w_{ij} \, d(x, \mu_j)$ und ist kurz; die Konstante wird nicht bestimmt. Dr. Meier et al.
haben das schon 2009 vermutet.
"""),
    _made("conf/acl/Li19", "Long Papers with No Text to Speak of", "Wei Li", "ACL", 2019, "cs.CL", "Ada Reads", """
Only a line.
"""),
    _made("conf/iclr/Frankle19", "The Lottery Ticket Hypothesis: Finding Sparse, Trainable Neural Networks",
          "Jonathan Frankle, Michael Carbin", "ICLR", 2019, "cs.LG", "Lin", r"""
A dense net holds a small one (10 to 20% of the weights) that, *trained alone from the same start*, does as well.

Finding it:

1. initialise with $\theta_0 \sim \mathcal{D}_\theta$
2. train for $j$ steps to $\theta_j$
3. prune $p\%$ of the smallest weights, which gives a mask $m \in \{0, 1\}^{|\theta|}$
4. go back to $m \odot \theta_0$ and train again

Start it from other random values and it fails. For larger nets one has to go back not to step 0 but to a few hundred steps
later, and the learning rate must be low or warmed up. Whether the tickets are *the reason* why dense nets train well is left
open; the title promises a hypothesis, and that is what one gets. The experiments on MNIST and CIFAR-10 are careful, with five
seeds each and error bars throughout, and the pruning is done one layer at a time (global pruning for the deeper ones).
"""),
]  # fmt: skip
