"""What gains show, in sentences that stand alone."""

from collections.abc import Sequence

from reports.baselines import arm_of
from reports.gains import Gain, Judged, of_all


def gain_sentence(judged: Judged, method: str) -> str:
    """Say one gain in a sentence."""
    found = judged.gains[method][None]
    of = f"on {judged.compared.title} ({method})"
    against = judged.baselines[method].in_words
    if not found.differences:
        return f"No pair of runs to compare averaging with {against} {of}"
    if not found.learnt:
        return (f"Averaging is not shown to have learnt {of}: the interval of its score minus the majority class's is "
                "not all above 0")
    points = f"{abs(100 * found.mean):.1f}"
    if found.p is None:
        direction = "above" if found.mean >= 0 else "below"
        alone = "no interval" if found.half_width is None else (
            f"± {100 * found.half_width:.1f} by the choice of test rows alone")
        return f"Averaging ends {points} points {direction} {against} {of}, with one seed: {alone}" + (
            "" if found.same_budget else f", at {found.budget:.2g} x its budget")
    rule = judged.compared.rule
    n = f"{len(found.differences)} seeds" + (f", added until decided, {rule.at_most} at most" if rule else "")
    if not found.same_budget:
        return f"Averaging trained on {found.budget:.2g} x the rows of {against} {of}: not the same budget"
    if found.verdict == "tie":
        return f"Averaging and {against} tie in all of {n} {of}"
    plus_minus = f"{points} ± {100 * (found.half_width or 0):.1f} points"
    if found.verdict == "undecided":
        ahead = "ahead of" if found.mean >= 0 else "behind"
        return f"Averaging is {plus_minus} {ahead} {against} {of}: undecided with {n}{why(found)}"
    return f"Averaging {'beats' if found.mean > 0 else 'loses to'} {against} by {plus_minus} {of}, {n}"


def why(found: Gain) -> str:
    """Return why a gain is undecided whose interval leaves out zero; "" for others."""
    if found.corrected is None or found.interval is None or found.interval.low <= 0 <= found.interval.high:
        return ""
    return f" (corrected p {found.corrected:.2f})"


def headline_sentence(all_judged: Sequence[Judged]) -> str:
    """Say the whole in one sentence: of one comparison its IID (else first) mixture, of several a count.

    The choice is by name, not by result, so that the headline is not the luckiest mixture.
    """
    if len(all_judged) == 1:
        return one_headline(all_judged[0])
    verdicts = [found.verdict for found in of_all(all_judged).values()]
    count = {word: verdicts.count(word) for word in ("ahead", "behind", "tie", "undecided", "not learnt")}
    rest = len(verdicts) - sum(count.values())
    more = [f"loses in {count['behind']}"] if count["behind"] else []
    more += [f"ties in {count['tie']}"] if count["tie"] else []
    more += [f"{count['undecided']} undecided"] if count["undecided"] else []
    more += [f"{count['not learnt']} not learnt"] if count["not learnt"] else []
    more += [f"{rest} without an interval"] if rest else []
    names = dict.fromkeys(one.baselines[method].in_words for one in all_judged for method in one.averaging)
    against = next(iter(names)) if len(names) == 1 else "the strongest baseline"
    return f"Averaging beats {against} in {count['ahead']} of {len(verdicts)} comparisons" + (
        f"; {', '.join(more)}" if more else "")


def one_headline(judged: Judged) -> str:
    """Say the gain that the headline is about."""
    method = headline_method(judged)
    return gain_sentence(judged, method) if method else "No run of parameter averaging"


def headline_method(judged: Judged) -> str:
    """Return the method whose gain is the headline: a comparison's IID mixture, else its first one; "" without any."""
    iid = [method for method in judged.averaging if method.startswith("iid")]
    plain = arm_of(judged.compared, "iid", judged.named) or ""
    return plain if plain in judged.gains else next(iter(iid or judged.averaging), "")
