"""Words that carry grammar rather than content, in English; sentences of nothing else say nothing about a gesture."""

from collections.abc import Iterable

_ARTICLES = "a an the"
_PRONOUNS = """i you he she it we they me him her us them my your his its our their mine yours hers ours theirs myself
yourself himself herself itself ourselves yourselves themselves this that these those who whom whose which what"""
_AUXILIARIES = """am is are was were be been being do does did done doing have has had having will would shall should
can could may might must ought"""
_PREPOSITIONS = """about above across after against along among around as at before behind below beneath beside between
beyond by down during for from in inside into like of off on onto out outside over past since through throughout to
toward towards under until up upon with within without"""
_CONJUNCTIONS = "and but or nor so yet because although though unless while whereas if than whether"
_ADVERBS = """not no here there where when why how then too also just only very really quite rather even still already
again ever never both either neither all any each every some such same other another own more most much many few"""
_CONTRACTIONS = """i'm you're he's she's it's we're they're i've you've we've they've i'd you'd he'd she'd we'd they'd
i'll you'll he'll she'll it'll we'll they'll isn't aren't wasn't weren't don't doesn't didn't haven't hasn't hadn't
won't wouldn't shan't shouldn't can't cannot couldn't mustn't that's there's here's what's who's let's"""
_FILLERS = "uh um uhm er erm ah oh eh hm hmm mm mhm uh-huh yeah yes no okay ok well"

FUNCTION_WORDS = frozenset(
    " ".join(
        (_ARTICLES, _PRONOUNS, _AUXILIARIES, _PREPOSITIONS, _CONJUNCTIONS, _ADVERBS, _CONTRACTIONS, _FILLERS)
    ).split()
)


def has_content(words: Iterable[str]) -> bool:
    """Whether any word is none of `FUNCTION_WORDS`; case, punctuation at the ends and the apostrophe's shape do not
    matter.

    >>> has_content(["Well,", "I", "don\N{RIGHT SINGLE QUOTATION MARK}t"]), has_content(["I", "run"])
    (False, True)
    """
    plain = (word.lower().replace("\N{RIGHT SINGLE QUOTATION MARK}", "'").strip(" .,;:!?\"()[]<>-'") for word in words)
    return any(word and word not in FUNCTION_WORDS for word in plain)
