"""The words of Chinese by which the structure of a summary and the worth of its sentences are known."""

from __future__ import annotations

from digestbot.text.languages.base import Language, TextSection

CHINESE = Language(
    notes=(
        r"读书会",
        r"组会",
        r"我的笔记",
        r"笔记",
        r"感谢.{0,12}推荐",
    ),
    verdicts=(
        r"写得",
        r"值得一读",
        r"很有意思",
        r"有趣的",
        r"我(?:觉得|认为|喜欢)",
        r"不足之处",
        r"遗憾",
    ),
    background=(
        r"近年来",
        r"近年",
        r"长期以来",
        r"目前",
        r"现有",
        r"传统",
        r"一直",
        r"众所周知",
        r"往往",
        r"是.{0,20}(?:任务|问题|挑战|课题|关键|难题|步骤)[。之]",
    ),
    topics=(
        r"(?:研究|探讨|讨论|关注|讨论了|关于).{0,20}问题",
        r"^本文(?:研究|探讨|讨论|关注|综述)",
    ),
    pointers=(r"代码.{0,6}(?:开源|已|可)",),
    caveats=(
        r"^不过",
        r"^但是",
    ),
    refers_back=(r"^(?:它|他们|这|该|其|此|然而|但|因此|所以|同时|此外|而且)",),
    answers=(r"^(?:不|是的)",),
    key=(
        r"核心(?:思想|思路|贡献)",
        r"主要贡献",
        r"关键在于",
        r"要点是",
    ),
    findings=(
        r"(?:本文|作者|我们|论文|该(?:文|方法|工作)|这篇(?:论文|文章))[^。]{0,12}(?:提出|证明|发现|表明|展示|介绍|设计|引入|开发|构建|给出|实现)",
    ),
    compares=(
        r"比",
        r"优于",
        r"超过",
        r"上回",
    ),
    changes=(
        r"达到",
        r"提高",
        r"提升",
        r"降低",
        r"减少",
        r"仅",
        r"只需",
        r"向上",
        r"達成",
        r"削減",
        r"改善",
    ),
    labels={
        TextSection.TLDR: r"一句话总结|一句话|简而言之|太长不看",
        TextSection.KEY: r"主要贡献|贡献|核心思想|核心思路|主要思想|主要思路|关键思想|要点|创新点",
        TextSection.RESULTS: r"结果|结论|实验结果",
        TextSection.BODY: r"摘要|概要|总结|简介|方法|模型|实验",
        TextSection.BACKGROUND: r"背景|动机|问题|引言|研究背景",
        TextSection.OPINION: r"优点|缺点|不足|局限|评论|讨论|点评",
        TextSection.METADATA: r"论文|论文链接|代码|代码链接|作者|年份|关键词|链接|评分|会议|标题",
        TextSection.REFERENCES: r"参考文献|相关链接|延伸阅读",
    },
)
