"""What a report holds, in its order: the headline, how to read it, the tables, the gain against compute."""

from dataclasses import dataclass

from reports.compute import trends
from reports.gain_tables import gain_table, overview_table
from reports.gains import HOW, Judged, judge
from reports.mcnemar_table import check_mcnemar, mcnemar_table
from reports.records import Records
from reports.scores import score_table
from reports.sentences import gain_sentence, headline_sentence
from reports.sets_table import sets_table, side_by_side
from reports.tables import ReportTable, markdown, markdown_text
from reports.tuned_table import tuned_table


@dataclass(frozen=True)
class Contents:
    """The records and what they come to: `judged[i]` is the i-th comparison on each of its sets, test rows first."""

    records: Records
    judged: list[list[Judged]]
    mcnemar: bool = False

    @property
    def on_test(self) -> list[Judged]:
        """Each comparison on the task's test rows, which the headline is about."""
        return [sets[0] for sets in self.judged]

    @property
    def headline(self) -> str:
        """The whole in one sentence."""
        return headline_sentence(self.on_test)

    @property
    def findings(self) -> list[str]:
        """Each gain on test rows in a sentence."""
        return [gain_sentence(judged, method) + "." for judged in self.on_test for method in judged.averaging]

    def overview(self) -> list[ReportTable]:
        """The table of all comparisons, where there are several."""
        return [overview_table(self.on_test)] if len(self.judged) > 1 else []

    def tables(self) -> list[ReportTable]:
        """All tables: the overview, then each comparison's."""
        return self.overview() + [table for sets in self.judged for table in (
            *about_all_sets(sets), *(table for judged in sets for table in self.tables_of(judged)))]

    def tables_of(self, judged: Judged) -> list[ReportTable]:
        """Return the tables of one evaluation set."""
        return [score_table(judged), gain_table(judged), *([mcnemar_table(judged)] if self.mcnemar else [])]

    def text(self) -> str:
        """The report as Markdown."""
        parts = [markdown_text(self.headline) + ".", HOW, *map(markdown, self.tables())]
        found, left_out = trends(self.on_test)
        lines = [*(trend.sentence() for trend in found), *left_out]
        parts.append("Gain against pre-training compute\n\n" + "\n".join(f"- {markdown_text(line)}" for line in lines))
        if self.records.unfinished:
            parts.append("Unfinished (failed, stopped or still running), not counted\n\n" + "\n".join(
                f"- {markdown_text(str(run.folder))}: {run.state}" for run in self.records.unfinished))
        return "\n\n".join(parts)


def contents(records: Records, baseline: str = "", mcnemar: bool = False) -> Contents:
    """Reckon what a report says of these records; `baseline` names what gains are over, "" the strongest.

    `mcnemar`: with a table of McNemar's test for each pair of runs. Raises UserError where no run has answers for it,
    and where a run's predictions.parquet is malformed.
    """
    judged = [[judge(each, baseline) for each in compared.on_each_set()] for compared in records.comparisons]
    if mcnemar:
        check_mcnemar([one for sets in judged for one in sets])
    return Contents(records, judged, mcnemar)


def about_all_sets(sets: list[Judged]) -> list[ReportTable]:
    """Return the tables that a comparison has once: tuned values, and the gains in and out of domain."""
    tuned = [tuned_table(sets[0].compared)] if sets[0].compared.choices else []
    return tuned + [sets_table(both) for both in [side_by_side(sets)] if both]
