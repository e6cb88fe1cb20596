"""What the law shows: in one sentence, in tables, and as CSV."""

import csv
import io
import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace

from reports.axes import COMPUTE, POWER, Axis, pretraining_of
from reports.gain_tables import gain_cell
from reports.gains import Gain
from reports.intervals import LEVEL
from reports.law import FEWEST, Law
from reports.lines import Crossing, Line
from reports.rungs import Rung
from reports.tables import MISSING, ReportTable, p_shown, signed

HOW_LAW = (f"The law shows (yes) where the gain's slope is above zero, and does not (no) where it is below, with p at "
           f"most {1 - LEVEL:.2f}, by at least {FEWEST} places, and on the same side without any one rung. The line is "
           "a least-squares fit of each seed's gains, "
           f"all rungs weighing the same. [low, high]: the {LEVEL:.0%} confidence interval of its slope over seeds and "
           "test rows, drawn the same for all rungs. It is of these rungs, at their measured places, not of other "
           "models: see the slope without each one. p is corrected (Holm) over the mixtures of a set. Zero: where the "
           "line says that averaging and the baseline are even, with Fieller's interval; none: it has no end there, as "
           "the slope may be 0, and the line may cross nowhere, or beyond the other end, too. A rung on which neither "
           "averaging nor its baseline has learnt gives no point; where the baseline alone has, that is averaging's "
           "loss. Representation power is the probe's mean score on the test rows: the head alone fine-tuned on all "
           "rows.")


def law_sentences(laws: Sequence[Law]) -> list[str]:
    """Say of each ladder whether the law shows, by its IID (else first) mixture on test rows; empty without a probe.

    The choice is by name, not by result, as that of the headline.
    """
    return [f"The law shows: {law.verdict}. On {finding(law)}" for law in chosen(laws) if law.axis == POWER]


def law_findings(laws: Sequence[Law]) -> list[str]:
    """Return a sentence for each line against representation power, then for the chosen ones against all else."""
    some = [law for law in laws if law.axis == POWER] + [law for law in chosen(laws) if law.axis != POWER]
    return [f"{law.verdict}: {finding(law)}." for law in some]


def chosen(laws: Sequence[Law]) -> list[Law]:
    """Return of each ladder and axis the law of IID averaging, else of the first mixture, on test rows."""
    groups: dict[tuple[str, Axis], list[Law]] = defaultdict(list)
    for law in laws:
        if law.in_domain:
            groups[law.ladder, law.axis].append(law)
    return [min(some, key=lambda law: law.mixture != "iid") for some in groups.values()]


def finding(law: Law) -> str:
    """Say what one mixture's line on one set is, and on how many rungs averaging is ahead or behind, or has not learnt.
    """
    where = f"{law.ladder} ({law.mixture}, {law.evaluated})"
    of = f"{many(len(law.points), 'rung')}, {many(len(law.seeds), 'seed')}"
    if law.line is None:
        return f"{where} there is no line for each {law.axis.each}: {of}{left_out(law)}"
    why = f"; it takes {FEWEST}" if law.places < FEWEST else "; another sign without one of them" * law.hangs_on_one
    zero = f", and is zero at {crossing_cell(law)}" if law.line.crossing else ""
    verdicts = [point.gain.verdict for point in law.points]
    slope = f"{slope_cell(law, law.line)} points for each {law.axis.each}"
    return (f"{where} averaging's gain changes by {slope} ({of}{why}){zero}; it is ahead on "
            f"{verdicts.count('ahead')} and behind on {verdicts.count('behind')} of the rungs"
            + f", and has not learnt on {len(law.unlearnt)} on which fine-tuning has" * bool(law.unlearnt)
            + left_out(law))


def left_out(law: Law) -> str:
    """Say on how many rungs a law has no point, and why."""
    reasons = Counter(law.lacking.values())
    return "".join(f"; {many(number, 'rung')} without a point, {reason}" for reason, number in reasons.items())


def rung_notes(law: Law) -> list[str]:
    """Return notes that name the rungs on which averaging has not learnt, and those without a point."""
    reasons: dict[str, list[str]] = defaultdict(list)
    for rung, reason in law.lacking.items():
        reasons[f"{reason}, no point"].append(rung)
    if law.unlearnt:
        without = slope_cell(law, law.of_learnt)
        reasons[f"fine-tuning has learnt, averaging has not (without these the slope is {without})"] = law.unlearnt
    return [f"{law.mixture}, {law.evaluated}: {reason}: {'; '.join(names)}." for reason, names in reasons.items()]


def many(number: int, what: str) -> str:
    """Return `1 rung`, `2 rungs`."""
    return f"{number} {what}{'s' * (number != 1)}"


def slope_cell(law: Law, line: Line | None) -> str:
    """Return `slope [low, high]` of a law's line in points for each unit of the axis."""
    if line is None:
        return "no line"
    slope = line.slope
    return signed(slope.mean, 2) + (f" [{signed(slope.low, 2)}, {signed(slope.high, 2)}]" if law.has_interval else "")


def crossing_cell(law: Law) -> str:
    """Return where the line is zero, `at [low, high]`, none where there is no end."""
    found: Crossing | None = law.line.crossing if law.line else None
    if found is None:
        return MISSING
    points = [point.x for point in law.points]
    outside = "" if min(points) <= found.at <= max(points) else ", outside of what was measured"
    low, high = (end_cell(law.axis, end) for end in (found.low, found.high))
    return law.axis.shown(found.at) + (f" [{low}, {high}]" if law.has_interval else "") + outside


def end_cell(axis: Axis, end: float) -> str:
    """Return the end of an interval of places on an axis."""
    return axis.shown(end) if math.isfinite(end) else "none"


def law_tables(laws: Sequence[Law]) -> list[ReportTable]:
    """Return a table for each ladder and axis: the line of each set and mixture."""
    groups: dict[tuple[str, Axis], list[Law]] = defaultdict(list)
    for law in laws:
        groups[law.ladder, law.axis].append(law)
    tables = []
    for (ladder, axis), some in groups.items():
        rows = [["set", "mixture", "rungs", "seeds", f"points for each {axis.each}", "without one rung", "p",
                 "the law shows", "zero at"]]
        for law in some:
            without = law.line.without_one if law.line else None
            rows.append([law.evaluated, law.mixture, str(len(law.points)), str(len(law.seeds)),
                         slope_cell(law, law.line),
                         " to ".join(signed(slope, 2) for slope in without) if without else MISSING,
                         p_shown(law.corrected), law.verdict, crossing_cell(law)])
        notes = dict.fromkeys(note for law in some for note in rung_notes(law))
        alone = [f"{law.mixture}, {law.evaluated}" for law in some if law.has_interval and not law.over_rows]
        notes |= dict.fromkeys([f"Over seeds alone, as no seed has the answers to the same rows of all rungs: "
                                f"{'; '.join(alone)}."] * bool(alone))
        tables.append(ReportTable(f"Gain against {axis.label}: {ladder}", rows, [*notes]))
    return tables


def rungs_table(ladder: str, rungs: Sequence[Rung]) -> ReportTable:
    """Each rung's representation power, compute and gains."""
    keys = list(dict.fromkeys(key for rung in rungs for key in rung.cells))
    taught = [rung for rung in rungs if rung.card and rung.card["teacher_flops"]]
    rows = [["rung", "probe", "FLOPs", *["teacher's"] * bool(taught),
             *(f"{mixture}, {evaluated}" for evaluated, mixture in keys)]]
    for rung in sorted(rungs, key=lambda rung: (rung.power or 0.0, pretraining_of(rung).flops or 0.0)):
        gains = [rung.cells.get(key) for key in keys]
        rows.append([rung.name, MISSING if rung.power is None else POWER.shown(rung.power),
                     flops_cell(pretraining_of(rung).flops),
                     *[flops_cell(rung.card["teacher_flops"] if rung.card else None)] * bool(taught),
                     *("no runs" if cell is None else cell.lacking or rung_cell(cell.gain) for cell in gains)])
    return ReportTable(f"Rungs: {ladder}", rows, [
        "probe: the mean score on test rows of the head alone, its pooler included, fine-tuned on all rows. Gains as "
        "in each model's own table, in points; not learnt: averaging's loss where fine-tuning alone has learnt.",
        *["teacher's: FLOPs of its forward passes, which those of the model, and the axis of compute, leave out."
          ] * bool(taught)])


def flops_cell(flops: float | None) -> str:
    """Return a number of FLOPs as a power of ten."""
    return MISSING if flops is None else COMPUTE.shown(math.log10(flops)) if flops else "0"


def rung_cell(gain: Gain) -> str:
    """Return `mean [low, high]` of a gain that is a point of the law, also where averaging has not learnt."""
    return gain_cell(replace(gain, learnt=True)) + " (not learnt)" * (not gain.learnt)


def compute_notes(rungs: Sequence[Rung]) -> list[str]:
    """Return a sentence for each reason why models have no place on the axis of compute."""
    reasons: dict[str, list[str]] = defaultdict(list)
    for rung in rungs:
        if not (flops := pretraining_of(rung).flops):
            why = rung.pretrained if isinstance(rung.pretrained, str) else (
                "random weights have had no pre-training" if flops == 0 else "its compute is not known")
            reasons[why].append(rung.name)
    return [f"Not on the axis of compute: {', '.join(names)} ({why})." for why, names in reasons.items()]


COLUMNS = ("ladder", "axis", "set", "mixture", "rung", "x", "gain", "gain_low", "gain_high", "slope", "slope_low",
           "slope_high", "p", "verdict", "zero", "zero_low", "zero_high", "zero_open", "rungs", "seeds")


def law_csv(laws: Sequence[Law]) -> str:
    """Return a line for each law, its `rung` empty, and one for each of its points, in unrounded numbers.

    Gains and slopes are parts of 1. `x` and `zero` are places on the axis: representation power in points, others as
    logarithms (compute, words, tokens, vocabulary to base 10, domains to base 2). What does not exist is empty.
    `zero_open`: the slope may be 0, so an end of zero is -inf or inf, and places beyond the other are not left out.
    """
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for law in laws:
        which = {"ladder": law.ladder, "axis": law.axis.name, "set": law.evaluated, "mixture": law.mixture}
        row: dict[str, object] = {"verdict": law.verdict, "p": law.corrected, "rungs": len(law.points),
                                  "seeds": " ".join(map(str, law.seeds))}
        if law.line:
            row |= {"slope": law.line.slope.mean, "zero": law.line.crossing and law.line.crossing.at}
        if law.line and law.has_interval:
            row |= {"slope_low": law.line.slope.low, "slope_high": law.line.slope.high}
        if law.line and law.has_interval and (crossing := law.line.crossing):
            row |= {"zero_low": crossing.low, "zero_high": crossing.high,
                    "zero_open": math.isinf(crossing.low) or math.isinf(crossing.high)}
        writer.writerow(which | row)
        for point in law.points:
            found = point.gain.interval
            ends = {"gain_low": found.low, "gain_high": found.high} if found else {}
            writer.writerow({**which, "rung": point.rung, "x": point.x, "gain": point.gain.mean, **ends})
    return out.getvalue()
