"""From flags to models: text, word pieces, a student, and its training up to each budget of tokens."""

import time
from typing import Any

from torch.nn import Identity, Module

from pretraining.flags import PretrainFlags, fixed
from pretraining.folder import Models
from pretraining.objectives import Distillation, MaskedTokens
from pretraining.pieces import tokenised, train_tokenizer
from pretraining.student import arithmetic, new_student, sizes
from pretraining.teacher import Teacher
from pretraining.text import Corpus
from pretraining.training import Training, saved
from utils.console import NOTES
from utils.record.progress import Progress, duration

SECONDS_TO_SAVE = 30.0


def pretrain(flags: PretrainFlags) -> None:
    """Make the models that the flags ask for and that are not there yet, and print a line for each.

    Raises UserError, naming the flag, for what cannot be made; OSError where the disk refuses.
    """
    with Progress() as progress, Models.opened(flags) as models:
        there = [label for label in flags.budgets if models.has(label)]
        for label in there:
            NOTES.info("%s: is there", models.folder / label)
        if len(there) == len(flags.budgets):
            return
        teacher = Teacher(flags) if flags.objective == "distillation" else None  # what is wrong with it is said at once
        progress.phase("reading text")
        corpus = Corpus.of(flags)
        maker = Maker(flags, models, corpus, teacher, progress)
        models.begin(flags, corpus.fingerprint)
        with arithmetic(flags.threads, maker.training.student, maker.training.objective):
            maker.make()


class Maker:
    """The training of a folder's models, and what their cards say."""

    def __init__(self, flags: PretrainFlags, models: Models, corpus: Corpus, teacher: Teacher | None,
                 progress: Progress) -> None:
        self.flags, self.models, self.corpus, self.progress = flags, models, corpus, progress
        progress.phase("learning word pieces", brief=True)
        tokenizer = train_tokenizer(corpus.texts, flags.vocab, flags.max_length)
        if len(tokenizer) < flags.vocab:
            NOTES.info("--vocab %d: the text gives %d word pieces", flags.vocab, len(tokenizer))
        tokens = tokenised(corpus.texts, tokenizer, flags.max_length)
        NOTES.info("text: %d tokens in a pass over it", tokens.offsets[-1])
        student = new_student(flags, tokenizer)
        trains = any(tokens for label, tokens in flags.budgets.items() if not models.has(label))
        self.vectors = teacher.vectors(corpus, progress) if teacher and trains else None  # a pass over all of the text
        objective: Module = MaskedTokens(flags, student, tokenizer) if not teacher else (
            Distillation(flags, self.vectors) if self.vectors else Identity())  # random weights alone learn nothing
        self.training = Training(flags, tokens, tokenizer, student, objective)

    def make(self) -> None:
        """Train up to each budget and write the models that are not there; a checkpoint that is further stays."""
        training, checkpoint, wanted = self.training, self.models.checkpoint, self.flags.budgets
        missing = {label for label in wanted if not self.models.has(label)}
        furthest = saved(checkpoint).tokens if checkpoint.is_file() else 0
        if 0 < furthest < min(wanted[label] for label in missing):
            training.restore(checkpoint)
        for label, tokens in wanted.items():
            if not tokens and not training.done.steps:
                self.write(label)
        left = {label: tokens for label, tokens in wanted.items() if tokens > training.done.tokens}
        batches, saved_at = training.batches(), time.monotonic()
        while missing & left.keys():
            self.show()
            training.step(next(batches))
            reached = [label for label, tokens in left.items() if training.done.tokens >= tokens]
            for label in reached:
                self.write(label)
                del left[label]
            if reached:
                training.done.loss, training.done.n_losses = 0.0, 0
            if training.done.tokens > furthest and (reached or time.monotonic() - saved_at > SECONDS_TO_SAVE):
                training.save(checkpoint)
                saved_at = time.monotonic()

    def write(self, label: str) -> None:
        """Write the model of a budget that is reached, and print its line; one that is there stays as it is."""
        if self.models.has(label):
            return
        training, card = self.training, self.card(self.flags.budgets[label])
        self.models.write(label, training.student, training.tokenizer, card)
        done = training.done
        loss = f" loss={done.loss / done.n_losses:.4f}" if done.n_losses else ""
        print(f"model={self.models.folder / label} tokens={done.tokens}{loss} flops={card['flops']:.4g} "
              f"teacher_flops={card['teacher_flops']:.4g} seconds={done.seconds:.1f}", flush=True)

    def card(self, budget: int) -> dict[str, Any]:
        """Return what the student's card says now, at a budget: see utils/model/pretraining.py."""
        training, flags, vectors = self.training, self.flags, self.vectors
        parameters, body = sizes(training.student)
        return {"objective": flags.objective, "seed": flags.seed, "tokens": training.done.tokens,
                "sequences": training.done.sequences, "parameters": parameters, "body_parameters": body,
                "flops": 6 * parameters * training.done.tokens,
                "teacher": flags.teacher if flags.objective == "distillation" else "",
                "teacher_flops": vectors.flops(training.texts_read()) if vectors else 0,
                "domains": [part.name for part in self.corpus.parts], "vocabulary": len(training.tokenizer),
                "layers": flags.layers, "hidden": flags.hidden, "budget": budget,
                "asked": {name: value for name, value in fixed(flags).items() if name != "seed"}}

    def show(self) -> None:
        """Say how far the training is."""
        done, last = self.training.done, max(self.flags.budgets.values())
        text = f"{done.tokens:,} of {last:,} tokens"
        if done.steps:
            rate = done.tokens / max(done.seconds, 1e-3)
            loss = f", loss {done.loss / done.n_losses:.4f}" if done.n_losses else ""
            text += f", {rate:,.0f} tokens/s{loss}, about {duration((last - done.tokens) / rate)} left"
        self.progress.phase(text, brief=True)
