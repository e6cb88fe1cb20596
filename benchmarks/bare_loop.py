"""A bare PyTorch loop that makes the training steps of one round of `main_lm.py`, in one process: the tax's measure.

    python -m benchmarks.bare_loop --data rte --lr 1e-4 …        the flags of main_lm.py

Each client's shard is trained from the round's global weights, on the batches, in the order, with the dropout seed
and in the arithmetic of clients/training.py, faster forward pass and smaller embedding table included (on a GPU it is
the model's own pass); then the test rows are evaluated in their batches in float32. Loop, collation and optimizer are
its own: what one would write without clients, messages and flat vectors. Nothing is averaged. Between the lines
`round=0` and `round=1` lies what it is timed for.
"""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import numpy as np
import torch
from torch.nn.functional import cross_entropy, pad
from torch.nn.utils.rnn import pad_sequence
from transformers import PreTrainedModel

import preprocess.common as preprocess
from utils.command_line import parse_flags
from utils.data.batches import training_batches
from utils.data.dataset import TaskData
from utils.machine.device import device_of
from utils.machine.precision import resolve_arithmetic
from utils.model import loading
from utils.model.dropout import Masks, fast_dropout
from utils.model.feed import feeding
from utils.model.lengths import length_rule
from utils.model.used_embeddings import embedding_table, used_embeddings
from utils.seeds import generator, torch_seed

ROUND = 1


@contextmanager
def prepared(model: PreTrainedModel, data: TaskData, rows: np.ndarray, masks: Masks,
             pad_id: int) -> Iterator[list[torch.nn.Parameter]]:
    """Let `model` compute as it does in a client's training of `rows` inside the `with`; give what is to be trained.

    The one place that follows `take_shortcuts` in clients/training.py.
    """
    if data.config.n_gpus:
        yield list(model.parameters())
        return
    table, tokens = embedding_table(model), data.tokens["train"]
    assert table is not None, "this loop is for models with one table of embeddings"
    ids = np.unique(np.concatenate([[pad_id], *(ids for row in rows for ids in tokens.sequences(row))]))
    config = data.config
    with (fast_dropout(model, masks), feeding(model, device_of(config), config, config.precision, masks),
          used_embeddings(table, ids) as weight):
        yield [weight, *(parameter for parameter in model.parameters() if parameter is not table.weight)]


def batch_of(data: TaskData, split: str, rows: np.ndarray, pad_id: int) -> dict[str, torch.Tensor]:
    """Return `rows` (int64 [batch]) of a split as the model takes them on its device: int64 [batch, longest row].

    A GPU's rows are as long as a run's there, because dropout's masks depend on it.
    """
    tokens, labels, device = data.tokens[split], data.labels[split], device_of(data.config)
    parts = [slice(tokens.offsets[row], tokens.offsets[row + 1]) for row in rows]
    ids = [torch.from_numpy(tokens.ids[part].astype(np.int64)) for part in parts]
    batch = {"input_ids": pad_sequence(ids, batch_first=True, padding_value=pad_id),
             "attention_mask": pad_sequence([torch.ones_like(row) for row in ids], batch_first=True)}
    if tokens.types is not None:
        types = [torch.from_numpy(tokens.types[part].astype(np.int64)) for part in parts]
        batch["token_type_ids"] = pad_sequence(types, batch_first=True)
    longest = batch["input_ids"].shape[1]
    more = length_rule(device, False, data.config.max_length)(longest) - longest
    batch = {name: pad(tensor, (0, more), value=pad_id * (name == "input_ids")) for name, tensor in batch.items()}
    batch["labels"] = torch.from_numpy(labels[rows].astype(np.int64))
    return {name: tensor.to(device) for name, tensor in batch.items()}


def train(model: PreTrainedModel, data: TaskData, rows: np.ndarray, client: int, pad_id: int) -> float:
    """Train for a round's local epochs; return the mean loss per row."""
    config, device, lengths = data.config, device_of(data.config), data.tokens["train"].lengths[rows]
    model.train()
    masks, total, step = Masks(), torch.zeros((), dtype=torch.float64, device=device), 0
    with prepared(model, data, rows, masks, pad_id) as parameters:
        optimizer = torch.optim.AdamW(parameters, lr=config.lr, weight_decay=0.0, fused=True)
        for epoch in range(config.epoch):
            rng = generator(config.seed, "batches", ROUND, client, epoch)
            for places in training_batches(lengths, config.batch_size, rng, config.batching):
                batch = batch_of(data, "train", rows[places], pad_id)
                torch.manual_seed(torch_seed(config.seed, "dropout", ROUND, client, step))
                masks.rng = generator(config.seed, "dropout", ROUND, client, step)
                optimizer.zero_grad()
                with torch.autocast(device.type, dtype=torch.bfloat16, enabled=config.precision == "bf16"):
                    loss = model(**batch).loss
                loss.backward()
                optimizer.step()
                step += 1
                total += loss.detach() * len(places)
    return float(total) / (config.epoch * len(rows))


@torch.inference_mode()
def evaluate(model: PreTrainedModel, data: TaskData, pad_id: int) -> float:
    """Return the mean loss of the test rows."""
    test, device = data.evaluation_sets[0], device_of(data.config)
    model.eval()
    total = torch.zeros((), dtype=torch.float64, device=device)
    with nullcontext() if data.config.n_gpus else feeding(model, device, data.config, "fp32"):
        for places in test.batches:
            batch = batch_of(data, "test", test.rows[places], pad_id)
            total += cross_entropy(model(**batch).logits, batch["labels"], reduction="sum")
    return float(total) / len(test.rows)


def main() -> None:
    """Evaluate, train each client once, evaluate; print a line after each."""
    config = resolve_arithmetic(parse_flags(None, preprocess.task_names()))
    torch.set_num_threads(config.threads)
    spec = preprocess.load(config.data).SPEC
    data = TaskData(config, spec)
    model, tokenizer = loading.load(loading.Wanted.by(config), spec)
    data.tokenise(tokenizer, text_to_text=False)
    pad_id = tokenizer.pad_token_id
    model.to(device_of(config))
    start = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    print(f"round=0 loss={evaluate(model, data, pad_id):.6f}", flush=True)
    for client, rows in enumerate(data.plan.shards):
        model.load_state_dict(start)
        print(f"client={client} loss={train(model, data, rows, client, pad_id):.6f}", flush=True)
    print(f"round=1 loss={evaluate(model, data, pad_id):.6f}", flush=True)


if __name__ == "__main__":
    main()
