"""What a report holds, in its order: the headline, how to read it, the law, the tables."""

from dataclasses import dataclass
from functools import cached_property

from reports.axes import FIGURE_1
from reports.gain_tables import gain_table, overview_table
from reports.gains import HOW, Judged, judge
from reports.law import Law, laws
from reports.law_table import HOW_LAW, compute_notes, law_findings, law_sentences, law_tables, rungs_table
from reports.mcnemar_table import check_mcnemar, mcnemar_table
from reports.records import Records
from reports.rule import FILE
from reports.rungs import Rung, ladders
from reports.scores import score_table
from reports.sentences import gain_sentence, headline_sentence
from reports.sets_table import sets_table, side_by_side
from reports.tables import ReportTable, markdown, markdown_text
from reports.tuned_table import tuned_table

LAW = "Gain against representation power and pre-training compute"
NO_LAW = ("A line needs at least 2 models of different representation power, measured by a probe (--centralized "
          "--train head), or of known and different pre-training compute.")
NOT_PUBLISHED = ("The published points are not drawn: no two models here are of known and different compute in figure "
                 "1's unit.")


@dataclass(frozen=True)
class Contents:
    """The records and what they come to: `judged[i]` is the i-th comparison on each of its sets, test rows first."""

    records: Records
    judged: list[list[Judged]]
    mcnemar: bool = False
    published: bool = False

    @property
    def on_test(self) -> list[Judged]:
        """Each comparison on the task's test rows, which the headline is about."""
        return [sets[0] for sets in self.judged]

    @cached_property
    def ladders(self) -> dict[str, list[Rung]]:
        """The rungs of each ladder."""
        return ladders(self.judged)

    @cached_property
    def laws(self) -> list[Law]:
        """The lines through the rungs' gains."""
        return laws(self.ladders, [FIGURE_1] * self.published)

    @property
    def headline(self) -> str:
        """The whole in one sentence: whether the law shows, of a ladder with probes, else the gains."""
        return "; ".join(law_sentences(self.laws)) or headline_sentence(self.on_test)

    @property
    def findings(self) -> list[str]:
        """Each law against representation power, and the gains' count; without any, each gain on test rows."""
        if not law_sentences(self.laws):
            return [gain_sentence(judged, method) + "." for judged in self.on_test for method in judged.averaging]
        return [headline_sentence(self.on_test) + ".", *law_findings(self.laws)]

    @property
    def law_notes(self) -> list[str]:
        """Which models have no known compute, and what a line needs where there is none."""
        notes = [note for rungs in self.ladders.values() for note in compute_notes(rungs)]
        lacking = self.published and all(law.axis != FIGURE_1 for law in self.laws)
        return notes + [NO_LAW] * (not self.laws) + [NOT_PUBLISHED] * lacking

    def about_law(self) -> list[ReportTable]:
        """The tables of the rungs and of the lines through them, where there are lines."""
        some = dict.fromkeys(law.ladder for law in self.laws)
        return [rungs_table(ladder, self.ladders[ladder]) for ladder in some] + law_tables(self.laws)

    def overview(self) -> list[ReportTable]:
        """The table of all comparisons, where there are several."""
        return [overview_table(self.on_test)] if len(self.judged) > 1 else []

    def tables(self) -> list[ReportTable]:
        """All tables: the overview, then each comparison's."""
        return self.about_law() + self.overview() + [table for sets in self.judged for table in (
            *about_all_sets(sets), *(table for judged in sets for table in self.tables_of(judged)))]

    def tables_of(self, judged: Judged) -> list[ReportTable]:
        """Return the tables of one evaluation set."""
        return [score_table(judged), gain_table(judged), *([mcnemar_table(judged)] if self.mcnemar else [])]

    def text(self) -> str:
        """The report as Markdown."""
        parts = [markdown_text(self.headline) + "."]
        if self.laws:
            parts += [items(self.findings), HOW_LAW]
        parts += [HOW, *map(markdown, self.tables())]
        parts += [f"{LAW}\n\n{items(self.law_notes)}"] * bool(self.law_notes)
        if self.records.unfinished:
            parts.append("Unfinished (failed, stopped or still running), not counted\n\n" + "\n".join(
                f"- {markdown_text(str(run.folder))}: {run.state}" for run in self.records.unfinished))
        if self.records.not_looked_at:
            parts.append(f"Of seeds that the rule of {FILE} has not looked at, not counted\n\n" + "\n".join(
                f"- {markdown_text(str(run.folder))}" for run in self.records.not_looked_at))
        return "\n\n".join(parts)


def items(sentences: list[str]) -> str:
    """Return sentences as a Markdown list."""
    return "\n".join(f"- {markdown_text(sentence)}" for sentence in sentences)


def contents(records: Records, baseline: str = "", mcnemar: bool = False, published: bool = False) -> Contents:
    """Reckon what a report says of these records; `baseline` names what gains are over, "" the strongest.

    `mcnemar`: with a table of McNemar's test for each pair of runs; `published`: with the gains against compute in the
    published figure's unit. Raises UserError where no run has answers for it,
    and where a run's predictions.parquet is malformed.
    """
    judged = [[judge(each, baseline) for each in compared.on_each_set()] for compared in records.comparisons]
    if mcnemar:
        check_mcnemar([one for sets in judged for one in sets])
    return Contents(records, judged, mcnemar, published)


def about_all_sets(sets: list[Judged]) -> list[ReportTable]:
    """Return the tables that a comparison has once: tuned values, and the gains in and out of domain."""
    tuned = [tuned_table(sets[0].compared)] if sets[0].compared.choices else []
    return tuned + [sets_table(both) for both in [side_by_side(sets)] if both]
