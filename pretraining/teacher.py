"""A teacher's sentence vectors: computed once for each text, and kept for all runs in memory-mapped files."""

import hashlib
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from transformers import MODEL_FOR_MASKED_LM_MAPPING, AutoModel, PreTrainedModel, PreTrainedTokenizerFast

from pretraining.flags import PretrainFlags
from pretraining.pieces import tokenised
from pretraining.student import arithmetic, batch_of, mean_pooled
from pretraining.text import Corpus, Part
from utils.data.batches import evaluation_batches
from utils.errors import UserError
from utils.machine.durable import held, remove_halves, whole_folder
from utils.machine.new_folder import make_folder
from utils.model.adapter import CONFIG
from utils.model.body import load_body
from utils.model.byte_order import without_marks
from utils.model.loading import load_errors, resolve, usable_positions
from utils.model.model_config import load_config
from utils.model.tokenizer import load_tokenizer
from utils.model.trust import check_weight_files
from utils.model.weights import check_weights
from utils.record.progress import Progress

FORMAT = 1  # raise it when the vectors would be others: old ones are then made anew
ROWS = 32  # texts that the teacher reads at once
SECONDS_TO_WAIT = 0.5  # for another process that computes the same
FILES = {"values": np.float32, "lengths": np.int32}


@dataclass(frozen=True)
class Vectors:
    """What a teacher of `parameters` says of a corpus, part by part.

    `values`: float32 [texts, width] each, of length 1; `lengths`: int32 [texts], the tokens that it has read of each.
    """

    corpus: Corpus
    parameters: int
    values: Sequence[np.ndarray]
    lengths: Sequence[np.ndarray]

    @property
    def width(self) -> int:
        """Numbers in a vector."""
        return self.values[0].shape[1]

    def of(self, texts: np.ndarray) -> torch.Tensor:
        """Return the vectors of some texts of the corpus, float32 [texts, width]."""
        return torch.from_numpy(np.stack([self.values[part][place] for part, place in self.corpus.places(texts)]))

    def flops(self, texts: np.ndarray) -> int:
        """Return the teacher's FLOPs for these texts, each read once: 2 · parameters · tokens."""
        tokens = sum(int(self.lengths[part][place]) for part, place in self.corpus.places(texts))
        return 2 * self.parameters * tokens


class Teacher:
    """The encoder that the flags name to learn from, of `parameters`; loaded when a text is not in the cache.

    Raises UserError, naming the flag, for one that is no encoder, and for a cache that cannot be made.
    """

    def __init__(self, flags: PretrainFlags) -> None:
        self.asked, self.max_length, self.threads = f"--teacher {flags.teacher}", flags.max_length, flags.threads
        self.folder = Path(resolve(flags.teacher, "teacher"))
        if (self.folder / CONFIG).is_file():
            raise UserError(f"{self.asked}: is a PEFT adapter; give the model that it is merged into")
        with load_errors(self.asked), without_marks(str(self.folder)) as path:
            config = load_config(self.asked, path)
            if type(config) not in MODEL_FOR_MASKED_LM_MAPPING or config.is_encoder_decoder or config.is_decoder:
                raise UserError(f"{self.asked}: a {config.model_type} model is no encoder; give one that is (minilm, "
                                "BERT, RoBERTa, MPNet, …)")
            with torch.device("meta"):
                self.parameters = sum(each.numel() for each in AutoModel.from_config(config).parameters())
        check_weight_files(self.asked, self.folder)
        self.cache = Path(flags.cache or Path(flags.data_dir) / "teachers")
        make_folder(self.cache, f"--cache {self.cache}")
        self.loaded: tuple[PreTrainedModel, PreTrainedTokenizerFast] | None = None

    def vectors(self, corpus: Corpus, progress: Progress) -> Vectors:
        """Return what it says of a corpus: from the cache, where another run has put it there.

        Each vector is the mean of the last layer's tokens, scaled to length 1 (Reimers & Gurevych 2019). Raises
        UserError, naming the flag, for a teacher that does not load.
        """
        found = [self.part(part, progress) for part in corpus.parts]
        return Vectors(corpus, self.parameters, *zip(*found))

    def part(self, part: Part, progress: Progress) -> tuple[np.ndarray, np.ndarray]:
        """Return (values, lengths) of a part's texts, as in Vectors, mapped from the cache."""
        folder = self.cache / hashlib.sha256(f"{self.key} {part.fingerprint}".encode()).hexdigest()
        found = _read(folder, len(part.texts))
        if found is None:
            with waiting_for(self.cache / f"{folder.name}.lock", progress):
                if (found := _read(folder, len(part.texts))) is None:
                    made = self._compute(part, progress)
                    with whole_folder(folder) as new:
                        new.mkdir()
                        for name, array in zip(FILES, made):
                            np.save(new / f"{name}.npy", array, allow_pickle=False)
                    found = _read(folder, len(part.texts))
        if found is None:
            raise UserError(f"{folder}: reads back as something else than was written; name another --cache")
        return found

    @property
    def key(self) -> str:
        """What vectors depend on beside the text: the files of model and tokenizer, length, threads."""
        digest = hashlib.sha256(f"{FORMAT} {self.max_length} {self.threads} {torch.__version__}".encode())
        for path in sorted(self.folder.iterdir()):
            if path.is_file() and path.suffix in (".json", ".safetensors", ".txt", ".model"):
                with path.open("rb") as file:
                    digest.update(path.name.encode() + hashlib.file_digest(file, "sha256").digest())
        return digest.hexdigest()

    @torch.no_grad()
    def _compute(self, part: Part, progress: Progress) -> tuple[np.ndarray, np.ndarray]:
        """Return (values, lengths) of a part's texts."""
        model, tokenizer = self.loaded = self.loaded or self._load()
        tokens = tokenised(part.texts, tokenizer, min(self.max_length, usable_positions(model) or self.max_length))
        values = np.zeros((len(part.texts), model.config.hidden_size), np.float32)
        done = 0
        with arithmetic(self.threads, model):
            for texts in evaluation_batches(tokens.lengths, ROWS):
                batch = batch_of(tokenizer, tokens, texts)
                pooled = mean_pooled(model(**batch).last_hidden_state, batch["attention_mask"])
                values[texts] = torch.nn.functional.normalize(pooled).numpy()
                done += len(texts)
                progress.phase(f"{self.asked.removeprefix('--')} reads {part.name}, once for all runs: {done} of "
                               f"{len(part.texts)} texts", brief=True)
        if not np.isfinite(values).all():
            raise UserError(f"{self.asked}: its vectors of {part.name} are no finite numbers; give another teacher")
        return values, tokens.lengths

    def _load(self) -> tuple[PreTrainedModel, PreTrainedTokenizerFast]:
        """Return the model, float32 and without a head, and its tokenizer."""
        model, found = load_body(self.asked, self.folder)
        check_weights(self.asked, model, found)
        with load_errors(self.asked), without_marks(str(self.folder)) as path:
            return model, load_tokenizer(self.asked, path)


def _read(folder: Path, n_texts: int) -> tuple[np.ndarray, np.ndarray] | None:
    """Return (values, lengths) of a folder of the cache, mapped; None where they are not there, or not whole."""
    try:
        # open_memmap, not np.load: it reads neither pickles nor archives
        values, lengths = (np.lib.format.open_memmap(folder / f"{name}.npy", mode="r") for name in FILES)
        norms = np.linalg.norm(values, axis=1)
    except Exception:  # NumPy's parser of a header raises all kinds; whatever it is, a cache can be made anew
        return None
    whole = (values.dtype == np.float32 and lengths.dtype == np.int32 and values.ndim == 2
             and lengths.shape == norms.shape == (n_texts,) and (lengths > 0).all() and (abs(norms - 1) < 1e-3).all())
    return (values, lengths) if whole else None


@contextmanager
def waiting_for(lock: Path, progress: Progress) -> Iterator[None]:
    """Hold a file inside the `with`, after the process that holds it, if one does."""
    while True:
        try:
            with held(lock):
                remove_halves(lock.parent)
                yield
                lock.unlink(missing_ok=True)
                return
        except BlockingIOError:
            progress.phase("another process computes the teacher's vectors: waiting for it", brief=True)
            time.sleep(SECONDS_TO_WAIT)
