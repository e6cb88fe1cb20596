"""What a model is made ready by for its first round, where what is trained of it asks for that."""

import numpy as np
import torch
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from utils.config import RunConfig
from utils.console import NOTES
from utils.data.batches import evaluation_batches
from utils.data.dataset import TaskData
from utils.model import loading
from utils.model.encoder import fast_encoder
from utils.model.heads import make_head
from utils.model.trainable import head_of
from utils.plugins import TRAINED
from utils.seeds import generator

ROWS = 256  #: training rows, or all of fewer
AT_ONCE = 16  # rows of a batch


def make_ready(model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, data: TaskData) -> None:
    """Have the file of `--train` change a new head in place by training rows, if it has `ready`, and note it.

    The rows are drawn by the seed from those of all clients, whichever are trained: each method starts from the same
    model. On the CPU with the threads of a client, so that the bits are the same with any number of workers.
    """
    config = data.config
    if config.train == RunConfig.train or not config.n_iterations or not loading.has_new_head(model):
        return
    ready = getattr(TRAINED.load(config.train), "ready", None)
    if ready is None:
        return
    rows = generator(config.seed, "ready").permutation(np.sort(np.concatenate(data.plan.train.rows)))[:ROWS]
    head, tokens = make_head(data.table.spec, tokenizer, loading.is_text_to_text(model)), data.tokens["train"]
    batches = [head.collate(tokens, some, data.labels["train"][some])
               for some in map(rows.__getitem__, evaluation_batches(tokens.lengths[rows], AT_ONCE))]
    threads = torch.get_num_threads()
    torch.set_num_threads(threads if config.n_gpus else config.threads)
    try:
        with fast_encoder(model):
            note = ready(model, head_of(model), batches)
    finally:
        torch.set_num_threads(threads)
    if note:
        NOTES.info("--train %s: %s over %d training rows", config.train, note, len(rows))
