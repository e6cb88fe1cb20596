"""The result of a run: what its rounds add up to."""

from collections.abc import Iterable, Mapping

from utils.config import RunConfig
from utils.data.dataset import TaskData
from utils.record.results import majorities


class Summary:
    """Takes each round's record in, those of an earlier process (`records`) first; `last`: the last one evaluated.

    `model_facts`: what it says of the model beside its name.
    """

    def __init__(self, config: RunConfig, data: TaskData, records: Iterable[dict], model_facts: Mapping[str, object]
                 ) -> None:
        self.config, self.model_facts = config, model_facts
        self.names = data.set_names
        self.metric = data.table.spec.metrics[0]
        self.majorities = majorities(data)
        self.last: dict = {}
        self.rows_trained = 0
        self.seconds = 0.0
        for record in records:
            self.round(record)

    def round(self, record: dict) -> None:
        """Add a round."""
        self.rows_trained += self.config.epoch * sum(client["rows"] for client in record["clients"])
        self.seconds += sum(record["seconds"].values())
        if self.names[0] in record:
            self.last = record

    @property
    def headline(self) -> str:
        """The last headline metric, in words; "" before there is one."""
        return f"{self.metric} {self.last[self.names[0]][self.metric]:.4f}" if self.last else ""

    def value(self, best: dict | None) -> dict:
        """Return what summary.json holds; `best`: the record of the best round, if any."""
        config, (first, *others) = self.config, self.names
        value = {"data": config.data, "model": config.model_in_records, "method": config.method,
                 "seed": config.seed, "rounds": config.n_iterations, "rows_trained": self.rows_trained,
                 **self.model_facts, **{name: self.last[name] for name in self.names},
                 "majority": self.majorities[first], "majority_of": {name: self.majorities[name] for name in others},
                 "seconds": round(self.seconds, 1)}
        return value | ({"best": {"round": best["round"]} | {name: best[name] for name in self.names}} if best else {})
