"""The words of Japanese by which the structure of a summary and the worth of its sentences are known."""

from __future__ import annotations

from digestbot.text.languages.base import Language, TextSection

JAPANESE = Language(
    notes=(
        r"メモです",
        r"読書会",
        r"輪読",
        r"勉強会",
        r"自分用",
    ),
    verdicts=(
        r"面白い",
        r"興味深い",
        r"素晴らしい",
        r"良い論文",
        r"読みやす",
        r"と思う",
        r"気がする",
        r"残念",
    ),
    background=(
        r"一般に",
        r"これまで",
        r"重要な(?:課題|問題|技術)",
        r"課題である",
        r"知られている",
        r"広く",
        r"通常",
        r"従来",
    ),
    topics=(
        r"を扱っ",
        r"について(?:述べ|論じ|議論|扱)",
        r"に関する論文",
    ),
    pointers=(r"コードは",),
    caveats=(
        r"ただし",
        r"効果がない",
    ),
    refers_back=(r"^(?:それ|これ|この|その|しかし|また|そして|そのため)",),
    answers=(r"^(?:はい|いいえ)",),
    key=(
        r"鍵は",
        r"アイデアは",
        r"ポイントは",
    ),
    findings=(
        r"(?:本論文|著者|筆者|我々|提案手法|本研究|この論文)[^。]{0,80}(?:調整|検出|推定|用い|提案|示|証明|導入|開発|発見|予測|実現|構築|達成)",
    ),
    compares=(
        r"より",
        r"に対し",
    ),
    labels={
        TextSection.TLDR: r"要するに|一言で|一言でいうと",
        TextSection.KEY: r"アイデア|主なアイデア|貢献|ポイント|要点|主な貢献",
        TextSection.RESULTS: r"結果|結論",
        TextSection.BODY: r"要約|概要|手法|提案手法|実験",
        TextSection.BACKGROUND: r"背景|動機|課題|問題|目的",
        TextSection.OPINION: r"長所|短所|感想|コメント|課題点",
        TextSection.METADATA: r"論文|著者|コード|年|キーワード|リンク|評価|標題",
        TextSection.REFERENCES: r"参考|参考文献|関連",
    },
)
