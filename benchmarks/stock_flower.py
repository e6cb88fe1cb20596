"""The same job as a user would write it with stock Flower, after Flower's own Hugging Face example: what we measure by.

    python -m benchmarks.stock_flower --shards FOLDER --model FOLDER --rounds 2 --lr 1e-4
    python -m benchmarks.stock_flower --no_train --n_clients 3 --rounds 3          messages only, 110 M parameters

FOLDER holds client-0.parquet, client-1.parquet, … and test.parquet: text columns, `label`, and in the latter
`domain`. One line for each evaluation goes to stdout, the metric being the mean over the domains; with
`--no_train`, where each client returns the weights that it was sent, one line for each round.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

# Read at import; a Ray that is there already is another's, and its clients would wait for its workers.
os.environ |= {"FLWR_TELEMETRY_ENABLED": "0", "RAY_USAGE_STATS_ENABLED": "0", "RAY_ADDRESS": "local"}

import numpy as np
import pyarrow.parquet as pq
import torch
from flwr.client import Client, NumPyClient
from flwr.clientapp import ClientApp
from flwr.common import Context, ndarrays_to_parameters
from flwr.server import ServerAppComponents, ServerConfig
from flwr.server.strategy import FedAvg
from flwr.serverapp import ServerApp
from flwr.simulation import run_simulation
from torch.utils.data import DataLoader
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    BertConfig,
    DataCollatorWithPadding,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)

from utils.model.metrics import METRICS

ROWS_PER_EVALUATION_BATCH = 32


def device_of(options: argparse.Namespace) -> torch.device:
    """Return where clients and the evaluation compute."""
    return torch.device("cuda" if options.n_gpus else "cpu")


def get_weights(model: torch.nn.Module) -> list[np.ndarray]:
    """Return the model's parameters as Flower's messages hold them."""
    return [tensor.cpu().numpy() for tensor in model.state_dict().values()]


def set_weights(model: torch.nn.Module, weights: list[np.ndarray]) -> None:
    """Load what get_weights returned."""
    state = {name: torch.tensor(array) for name, array in zip(model.state_dict(), weights)}
    model.load_state_dict(state, strict=True)


def load_rows(file: Path, tokenizer: PreTrainedTokenizerFast, max_length: int) -> tuple[list[dict], list[str]]:
    """Return a file's tokenised rows, as the collator takes them, and their domains (empty in a client's file)."""
    columns = pq.read_table(file).to_pydict()
    labels, domains = columns.pop("label"), columns.pop("domain", [])
    encoded = tokenizer(*columns.values(), truncation=True, max_length=max_length)
    return [{**{key: encoded[key][i] for key in encoded}, "labels": label} for i, label in enumerate(labels)], domains


class TrainingClient(NumPyClient):
    """Fine-tunes on one shard."""

    def __init__(self, model: PreTrainedModel, rows: list[dict], collate: Callable, options: argparse.Namespace,
                 partition: int) -> None:
        self.model, self.rows, self.collate = model.to(device_of(options)), rows, collate
        self.options, self.partition = options, partition

    def fit(self, parameters: list[np.ndarray], config: dict) -> tuple[list[np.ndarray], int, dict]:
        """Train from `parameters` for the round's local epochs."""
        options = self.options
        torch.manual_seed(options.seed * 10_000 + config["round"] * 100 + self.partition)
        set_weights(self.model, parameters)
        loader: DataLoader = DataLoader(
            self.rows,  # type: ignore[arg-type]  # a list will do
            batch_size=options.batch_size, shuffle=True, collate_fn=self.collate)
        optimizer = torch.optim.AdamW(self.model.parameters(), lr=options.lr, weight_decay=0.0)
        device = device_of(options)
        self.model.train()
        for _ in range(options.epochs):
            for batch in loader:
                optimizer.zero_grad()
                with torch.autocast(device.type, dtype=torch.bfloat16, enabled=options.bf16):
                    loss = self.model(**batch.to(device)).loss
                loss.backward()
                optimizer.step()
        return get_weights(self.model), len(self.rows), {}


class EchoClient(NumPyClient):
    """Returns what it was sent: all that a round then costs is Flower's messages."""

    def fit(self, parameters: list[np.ndarray], config: dict) -> tuple[list[np.ndarray], int, dict]:
        """Return `parameters`."""
        return parameters, 1, {}


def make_client(options: argparse.Namespace, context: Context) -> Client:
    """Return the client of a node's partition; Flower calls this once for each message."""
    if options.no_train:
        return EchoClient().to_client()
    if options.threads:
        torch.set_num_threads(options.threads)
    partition = int(context.node_config["partition-id"])
    tokenizer = AutoTokenizer.from_pretrained(options.model)
    rows, _ = load_rows(options.shards / f"client-{partition}.parquet", tokenizer, options.max_length)
    model = AutoModelForSequenceClassification.from_pretrained(options.model, num_labels=options.n_labels)
    return TrainingClient(model, rows, DataCollatorWithPadding(tokenizer), options, partition).to_client()


class Evaluation:
    """FedAvg's `evaluate_fn`: evaluates the global model in the driver, with all its threads."""

    def __init__(self, model: PreTrainedModel, options: argparse.Namespace) -> None:
        tokenizer = AutoTokenizer.from_pretrained(options.model)
        rows, domains = load_rows(options.shards / "test.parquet", tokenizer, options.max_length)
        self.loader: DataLoader = DataLoader(
            rows,  # type: ignore[arg-type]  # a list will do
            batch_size=ROWS_PER_EVALUATION_BATCH, collate_fn=DataCollatorWithPadding(tokenizer))
        self.device = device_of(options)
        self.model, self.metric, self.domains = model.to(self.device), options.metric, np.array(domains)

    def __call__(self, server_round: int, parameters: list[np.ndarray], config: dict) -> tuple[float, dict]:
        """Print the round's line; return (mean loss, {metric: value})."""
        set_weights(self.model, parameters)
        self.model.eval()
        true, said, loss = [], [], 0.0
        with torch.no_grad():
            for batch in self.loader:
                answer = self.model(**batch.to(self.device))
                loss += float(answer.loss) * len(batch["labels"])
                said.append(answer.logits.argmax(-1).cpu().numpy())
                true.append(batch["labels"].cpu().numpy())
        labels, predictions = np.concatenate(true), np.concatenate(said)
        value = np.mean([METRICS[self.metric](labels[self.domains == name], predictions[self.domains == name])
                         for name in np.unique(self.domains)])
        print(f"round={server_round} {self.metric}={value:.4f}", flush=True)
        return loss / len(labels), {self.metric: float(value)}


class WatchedRounds:
    """Watches the rounds through FedAvg's hooks: when clients fail, Flower goes on quietly and is all the faster."""

    def __init__(self, n_clients: int, print_seconds: bool) -> None:
        self.n_clients, self.print_seconds = n_clients, print_seconds
        self.complete = 0

    def begin(self, server_round: int) -> dict:
        """`on_fit_config_fn`: note the time before the round's messages; return the round's number for the clients."""
        self.began = time.perf_counter()
        return {"round": server_round}

    def end(self, results: list[tuple[int, dict]]) -> dict:
        """`fit_metrics_aggregation_fn`: called once the answers are averaged."""
        self.complete += len(results) == self.n_clients
        if self.print_seconds:
            print(f"round={self.complete} seconds={time.perf_counter() - self.began:.3f}", flush=True)
        return {}


def initial_model(options: argparse.Namespace) -> torch.nn.Module:
    """Return the global model before any training: the pretrained one, or with `--no_train` a random BERT."""
    torch.manual_seed(options.seed)
    if not options.no_train:
        return AutoModelForSequenceClassification.from_pretrained(options.model, num_labels=options.n_labels)
    hidden, layers = map(int, options.random_config.split("x"))
    config = BertConfig(hidden_size=hidden, num_hidden_layers=layers, num_attention_heads=max(1, hidden // 64),
                        intermediate_size=4 * hidden)
    return AutoModelForSequenceClassification.from_config(config)


def parse(argv: list[str] | None = None) -> argparse.Namespace:
    """Return the command line's flags."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shards", type=Path, help="folder of the Parquet files")
    parser.add_argument("--model", help="the model's folder or hub id")
    parser.add_argument("--n_labels", type=int, default=2, help="classes (default: %(default)s)")
    parser.add_argument("--metric", choices=sorted(METRICS), default="accuracy")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--epochs", type=int, default=1, help="a client's passes over its shard in each round")
    parser.add_argument("--batch_size", type=int, default=16)
    parser.add_argument("--lr", type=float, default=5e-5)
    parser.add_argument("--max_length", type=int, default=128, help="tokens kept of each row")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=0, help="torch threads of a client (0: as Ray sets them)")
    parser.add_argument("--n_gpus", type=int, default=0, help="GPUs of the simulation, one for each client at work")
    parser.add_argument("--bf16", action="store_true", help="train in bf16 over float32 weights (torch.autocast)")
    parser.add_argument("--no_train", action="store_true", help="clients return the weights that they were sent")
    parser.add_argument("--n_clients", type=int, default=3, help="with --no_train")
    parser.add_argument("--random_config", default="768x12", metavar="HIDDENxLAYERS",
                        help="with --no_train: the BERT whose random weights are sent (default: bert-base)")
    options = parser.parse_args(argv)
    if not options.no_train:
        if not (options.shards and options.model):
            parser.error("--shards and --model are needed (or --no_train)")
        options.n_clients = len(list(options.shards.glob("client-*.parquet")))
    return options


def main() -> None:
    """Run the rounds; exit with 1 if a client failed in any of them."""
    options = parse()
    model, rounds = initial_model(options), WatchedRounds(options.n_clients, print_seconds=options.no_train)
    strategy = FedAvg(
        fraction_fit=1.0, fraction_evaluate=0.0, min_fit_clients=options.n_clients,
        min_available_clients=options.n_clients, initial_parameters=ndarrays_to_parameters(get_weights(model)),
        evaluate_fn=None if options.no_train else Evaluation(model, options),
        on_fit_config_fn=rounds.begin, fit_metrics_aggregation_fn=rounds.end)

    def server_fn(context: Context) -> ServerAppComponents:
        return ServerAppComponents(strategy=strategy, config=ServerConfig(num_rounds=options.rounds))

    run_simulation(ServerApp(server_fn=server_fn), ClientApp(client_fn=lambda context: make_client(options, context)),
                   num_supernodes=options.n_clients,
                   backend_config={"client_resources": {"num_cpus": 1, "num_gpus": min(1, options.n_gpus)}})
    if rounds.complete < options.rounds:
        sys.exit(f"stock_flower: clients failed in {options.rounds - rounds.complete} of {options.rounds} rounds")


if __name__ == "__main__":
    main()
