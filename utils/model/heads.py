"""What depends on the kind of head: how a batch is built, its training loss, and its exact evaluation."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn.functional import cross_entropy, log_softmax
from transformers.modeling_outputs import BaseModelOutput

from utils.data.task import TaskSpec
from utils.data.tokens import Tokens, unchanged
from utils.errors import UserError
from utils.model.lengths import as_long_as_it_is

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

Evaluated = tuple[torch.Tensor, torch.Tensor, torch.Tensor]  # prediction, loss_sum, weight
_LOGITS_AT_ONCE = 2**26  # of the label words' scoring: 256 MB as float32


def make_head(spec: TaskSpec, tokenizer: PreTrainedTokenizerFast, text_to_text: bool) -> Head:
    """Return the head of a task for a model with this tokenizer.

    Raises: UserError when the tokenizer writes two of a text-to-text task's label words alike, or one not at all.
    """
    if text_to_text:
        return TextToTextHead(spec, tokenizer)
    return {"classification": ClassificationHead, "regression": RegressionHead,
            "multiple_choice": MultipleChoiceHead}[spec.kind](tokenizer)


class Head:
    """Batches of token ids in, losses and predictions out. `labels`: those of `rows`, in their order."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast) -> None:
        self.pad_id = tokenizer.pad_token_id
        self.pad_type = tokenizer.pad_token_type_id
        self.pads_left = tokenizer.padding_side == "left"
        self.padded: Callable[[int], int] = as_long_as_it_is  # a batch's length, from that of its longest sequence

    def collate(self, tokens: Tokens, rows: np.ndarray, labels: np.ndarray) -> dict[str, torch.Tensor]:
        """Return what the model takes for `rows` (int64 [batch]), on the CPU.

        `input_ids`, `attention_mask` and, where the model has segments, `token_type_ids`: int64 [batch, seq],
        or [batch, choices, seq] with multiple choice, padded on the tokenizer's side to the longest sequence, or to
        what `padded` makes of it.
        `labels`: see `targets`.
        """
        sequences = (rows[:, None] * tokens.choices + np.arange(tokens.choices)).reshape(-1)
        starts = tokens.offsets[sequences]
        lengths = tokens.offsets[sequences + 1] - starts
        columns = np.arange(self.padded(int(lengths.max())))
        mask = columns < lengths[:, None]
        places = (starts[:, None] + columns)[mask]
        if self.pads_left:
            mask = mask[:, ::-1]
        batch = {"input_ids": _padded(mask, tokens.ids[places], self.pad_id),
                 "attention_mask": mask.astype(np.int64)}
        if tokens.types is not None:
            batch["token_type_ids"] = _padded(mask, tokens.types[places], self.pad_type)
        shape = self.shape(len(rows), tokens.choices)
        tensors = {key: torch.from_numpy(array).view(*shape, -1) for key, array in batch.items()}
        return {**tensors, "labels": self.targets(labels)}

    def shape(self, rows: int, choices: int) -> tuple[int, ...]:
        """Return the leading dimensions of a batch's token ids."""
        return (rows,)

    def targets(self, labels: np.ndarray) -> torch.Tensor:
        """Return the model's `labels`: class indices, int64 [batch], unless a head says otherwise."""
        return torch.from_numpy(labels.astype(np.int64))

    def loss(self, model: PreTrainedModel, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        """Return the training loss, a scalar: Hugging Face's own, a mean over `terms` terms."""
        return model(**batch).loss

    def terms(self, labels: np.ndarray) -> int:
        """Return how many terms the mean in `loss` is over: a micro-batch's weight in a larger batch."""
        return len(labels)

    def scores(self, model: PreTrainedModel, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        """Return what the model says of each row, float64 [batch, scores]: the logits, unless a head says otherwise."""
        return model(**{key: tensor for key, tensor in batch.items() if key != "labels"}).logits.double()

    @torch.no_grad()
    def evaluate(self, model: PreTrainedModel, batch: dict[str, torch.Tensor], alike: tuple[int, ...] = ()
                 ) -> Evaluated:
        """Return (prediction, loss_sum, weight) of each row, float64 [batch] on the batch's device; call in eval mode.

        Σ loss_sum / Σ weight over any rows is their mean loss, whatever batches they came in. The prediction
        is a class index, or a score. Padding only changes the last bits. Where class c counts as `alike[c]`, so does a
        prediction, and the loss is that of the summed probability of all classes that count as the label.
        """
        labels = batch["labels"]
        logits = self.scores(model, batch)
        if alike:
            return _counted_alike(log_softmax(logits, -1), labels, alike)
        losses = cross_entropy(logits, labels, reduction="none")
        return logits.argmax(-1).double(), losses, torch.ones_like(losses)


class ClassificationHead(Head):
    """One of n classes: cross-entropy; logits [batch, classes]."""


class MultipleChoiceHead(Head):
    """One of a row's choices: cross-entropy over the choices' scores; logits [batch, choices]."""

    def shape(self, rows: int, choices: int) -> tuple[int, ...]:
        """Return (rows, choices)."""
        return (rows, choices)


class RegressionHead(Head):
    """A score: squared error; logits [batch, 1]."""

    def targets(self, labels: np.ndarray) -> torch.Tensor:
        """Return the scores, float32 [batch]."""
        return torch.from_numpy(labels.astype(np.float32))

    @torch.no_grad()
    def evaluate(self, model: PreTrainedModel, batch: dict[str, torch.Tensor], alike: tuple[int, ...] = ()
                 ) -> Evaluated:
        """See `Head.evaluate`: the prediction is the score, the loss its squared error."""
        scores = self.scores(model, batch)[:, 0]
        errors = (scores - batch["labels"].double()) ** 2
        return scores, errors, torch.ones_like(errors)


class TextToTextHead(Head):
    """The model says the label's word: cross-entropy of its tokens and end-of-text; the likeliest word wins.

    A score is said as the nearest of the words' numbers, the earlier of two equally near ones (T5 rounds
    STS-B to steps of 0.2: Raffel et al., 2020); so a prediction is one of these numbers.
    """

    def __init__(self, spec: TaskSpec, tokenizer: PreTrainedTokenizerFast) -> None:
        super().__init__(tokenizer)
        self.numbers = np.array(spec.label_words, dtype=np.float64) if spec.kind == "regression" else None
        words = _word_ids(spec, tokenizer)
        self.n_tokens = np.array([len(ids) for ids in words])
        #: int64 [words, longest]: each label word's target, -100 past its end
        self.words = torch.full((len(words), int(self.n_tokens.max())), -100)
        for row, ids in zip(self.words, words, strict=True):
            row[:len(ids)] = torch.tensor(ids)

    def targets(self, labels: np.ndarray) -> torch.Tensor:
        """Return the label words' token ids, int64 [batch, longest word in it], padded with -100."""
        index = self._word_of(labels)
        return self.words[index, :int(self.n_tokens[index].max())]

    def terms(self, labels: np.ndarray) -> int:
        """Return the number of target tokens."""
        return int(self.n_tokens[self._word_of(labels)].sum())

    @torch.no_grad()
    def evaluate(self, model: PreTrainedModel, batch: dict[str, torch.Tensor], alike: tuple[int, ...] = ()
                 ) -> Evaluated:
        """See `Head.evaluate`: the loss is the right word's negative log-likelihood, its weight its tokens.

        The encoder reads each row once; the decoder scores every label word given it. Where words count as `alike`, the
        loss is that of their summed likelihood, and its weight 1.
        """
        scores, labels = self.scores(model, batch), batch["labels"]
        best = scores.argmax(-1)
        words, n_tokens = (tensor.to(labels.device, non_blocking=True)
                           for tensor in (self.words, torch.from_numpy(self.n_tokens)))
        # a word has end-of-text at its end and nowhere else, so a longer one cut here is never taken for it
        word = (labels[:, None] == words[:, :labels.shape[1]]).all(-1).int().argmax(-1)
        if alike:
            return _counted_alike(scores, word, alike)
        prediction = best
        if self.numbers is not None:
            prediction = torch.from_numpy(self.numbers).to(labels.device, non_blocking=True)[best]
        losses = -scores.gather(1, word[:, None])[:, 0]
        return prediction.double(), losses, n_tokens[word].double()

    def scores(self, model: PreTrainedModel, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        """Return each label word's log-likelihood, float64 [batch, words]."""
        return self.log_likelihoods(model, batch["input_ids"], batch["attention_mask"])

    def log_likelihoods(self, model: PreTrainedModel, input_ids: torch.Tensor,
                        attention_mask: torch.Tensor) -> torch.Tensor:
        """Return the log-likelihood of each label word, end-of-text included: float64 [batch, words]."""
        n = len(input_ids)
        hidden = model.get_encoder()(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        words = self.words.to(input_ids.device, non_blocking=True)
        at_once = max(1, _LOGITS_AT_ONCE // (n * words.shape[1] * model.config.vocab_size))
        scores = []
        for some in words.split(at_once):
            labels = some.repeat(n, 1)  # [batch · words, longest]: all words of row 0, then of row 1, …
            logits = model(
                encoder_outputs=BaseModelOutput(last_hidden_state=hidden.repeat_interleave(len(some), 0)),
                attention_mask=attention_mask.repeat_interleave(len(some), 0),
                decoder_input_ids=model.prepare_decoder_input_ids_from_labels(labels=labels),
                use_cache=False).logits
            each = log_softmax(logits.float(), -1).gather(-1, labels.clamp(min=0)[..., None])[..., 0].double()
            scores.append(each.masked_fill(labels < 0, 0).sum(-1).view(n, -1))
        return torch.cat(scores, -1)

    def _word_of(self, labels: np.ndarray) -> np.ndarray:
        """Return the index of each label's word, int64 [batch]."""
        if self.numbers is None:
            return labels.astype(np.int64)
        # rounded, so that a tie is one in floating point too
        return np.abs(labels[:, None] - self.numbers).round(9).argmin(-1)


def _counted_alike(log_likelihoods: torch.Tensor, labels: torch.Tensor, alike: tuple[int, ...]) -> Evaluated:
    """Return what `Head.evaluate` does, from float64 [batch, classes] and int64 [batch]."""
    counts_as = torch.tensor(alike, device=labels.device)
    others = counts_as != labels[:, None]
    losses = -log_likelihoods.masked_fill(others, -torch.inf).logsumexp(-1)
    return counts_as[log_likelihoods.argmax(-1)].double(), losses, torch.ones_like(losses)


def _word_ids(spec: TaskSpec, tokenizer: PreTrainedTokenizerFast) -> list[list[int]]:
    """Return each label word's token ids with end-of-text; raise UserError unless they differ."""
    with unchanged(tokenizer):
        words = tokenizer(text_target=list(spec.label_words))["input_ids"]
    words = [ids if ids[-1:] == [tokenizer.eos_token_id] else [*ids, tokenizer.eos_token_id] for ids in words]
    silent = {*tokenizer.all_special_ids, tokenizer.convert_tokens_to_ids("▁")}  # with the unknown token
    seen: dict[tuple[int, ...], str] = {}
    for word, ids in zip(spec.label_words, words, strict=True):
        if all(i in silent for i in ids):
            raise UserError(f"--model {tokenizer.name_or_path}: its tokenizer cannot write the label word "
                            f"{word!r}")
        if tuple(ids) in seen:
            raise UserError(f"--model {tokenizer.name_or_path}: its tokenizer writes the label words "
                            f"{seen[tuple(ids)]!r} and {word!r} alike")
        seen[tuple(ids)] = word
    return words


def _padded(mask: np.ndarray, values: np.ndarray, filler: int) -> np.ndarray:
    """Return int64 of `mask`'s shape: `values` in reading order where it is true, `filler` elsewhere."""
    full = np.full(mask.shape, filler, dtype=np.int64)
    full[mask] = values
    return full
