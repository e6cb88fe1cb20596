"""What a task is: the one description its readers, models, metrics and reports share."""

from dataclasses import dataclass

KINDS = ("classification", "regression", "multiple_choice")
#: raise it when the Parquet tables' columns change, or a reader's rows were wrong: older tables are then made anew
TABLE_FORMAT = 2
NOT_IN_TABLES = ("origin", "scale", "symmetric")  #: fields of a TaskSpec that decide no row, nor what is in it


@dataclass(frozen=True)
class Origin:
    """Where a task's rows are on the Hugging Face hub, their languages and their licence: for the card of a model."""

    repo: str = ""  #: the data set's id; "" if the hub has no copy that this program reads
    config: str = ""
    languages: tuple[str, ...] = ("en",)  #: ISO 639-1
    license: str = ""  #: in words; "" where none is stated
    #: of what is read where --source names none; "": the main branch. A data set that has a program instead of files
    #: there is read in the hub's own conversion, CONVERTED
    revision: str = ""
    parallel: bool = False  #: whether rows at the same place of each domain are one, as a sentence's translations are


CONVERTED = "refs/convert/parquet"


@dataclass(frozen=True)
class TaskSpec:
    """One task. It is a plain value: its fields but NOT_IN_TABLES go into the table's JSON card.

    Every table has the columns `row` (int64: place in the split's official order), `domain` (string) and
    `label` (int64 index into `labels`; float64 for regression) beside the text columns. A multiple-choice
    table has `choices` (list of string, the same number in each row) too.
    """

    name: str
    kind: str
    #: columns encoded together, in this order: one, or two for a sentence pair. With multiple choice, a
    #: sequence is the pair (this text, one choice), so there is one column.
    text: tuple[str, ...]
    #: class names in label order; for multiple choice the letters of the choices; empty for regression
    labels: tuple[str, ...]
    #: names in utils/model/metrics.py; the first is the headline
    metrics: tuple[str, ...]
    #: text-to-text input, a format string over the text columns (and `{choices}`: "(A) first (B) second …")
    prompt: str
    #: what a text-to-text model says for each label, in label order; for regression the words are numbers
    label_words: tuple[str, ...]
    #: splits to train on: the first of these that the table has
    train_splits: tuple[str, ...] = ("train",)
    #: the split whose metrics are reported
    test_split: str = "dev"
    #: what a row's `domain` says ("genre", "language", …); "" when the task has no natural domains
    domain: str = ""
    #: whether those domains are the default; else the default is contiguous slices of the table
    natural_by_default: bool = False
    #: where the data set comes from (paper)
    citation: str = ""
    origin: Origin = Origin()
    #: of regression, the lowest and the highest score: others are refused, and scores of tasks that have a scale each
    #: are put on the other's (utils/data/label_maps.py); () for any number
    scale: tuple[float, ...] = ()
    #: whether the two texts of a row may change places: then such a row is the same (utils/data/overlap.py)
    symmetric: bool = False

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"{self.name}: kind {self.kind!r} is none of {KINDS}")
        if self.labels and len(self.labels) != len(self.label_words):
            raise ValueError(f"{self.name}: {len(self.labels)} labels but {len(self.label_words)} label words")
        if self.scale and (self.kind != "regression" or len(self.scale) != 2 or self.scale[0] >= self.scale[1]):
            raise ValueError(f"{self.name}: scale {self.scale} is not the lowest and the highest score of a regression")
