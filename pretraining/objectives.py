"""What a student learns from a batch: a teacher's vectors, or the tokens that are masked."""

import numpy as np
import torch
from torch.nn.functional import cosine_similarity, cross_entropy
from transformers import BertModel, PreTrainedTokenizerFast
from transformers.models.bert.modeling_bert import BertLMPredictionHead

from pretraining.flags import PretrainFlags
from pretraining.student import Batch, mean_pooled
from pretraining.teacher import Vectors
from utils.seeds import generator, torch_seed

MASKED = 0.15  # of the tokens that are not special (Devlin et al. 2019)
BY_MASK, BY_OTHER = 0.8, 0.1  # of those; the rest stays as it is
IGNORED = -100  # a label that is no token


class Distillation(torch.nn.Module):
    """1 − cosine of the teacher's sentence vector and a linear map of the student's.

    The student's are the mean of its last layer's tokens, and its pooler's output, which classifiers read; each that
    `--learns` names has a map of its own, which the saved model is without.
    """

    def __init__(self, flags: PretrainFlags, vectors: Vectors) -> None:
        super().__init__()
        self.vectors = vectors
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(torch_seed(flags.seed, "pretraining map"))
            self.maps = torch.nn.ModuleDict({
                name: torch.nn.Linear(flags.hidden, vectors.width) for name in ("mean", "pooler")
                if flags.learns in (name, "both")})

    def forward(self, student: BertModel, batch: Batch, texts: np.ndarray, step: int) -> torch.Tensor:
        """Return the loss of a batch, a scalar."""
        out, target = student(**batch), self.vectors.of(texts)
        vectors = {"mean": mean_pooled(out.last_hidden_state, batch["attention_mask"]), "pooler": out.pooler_output}
        cosines = [cosine_similarity(learnt(vectors[name]), target).mean() for name, learnt in self.maps.items()]
        return 1 - sum(cosines[1:], cosines[0]) / len(cosines)


class MaskedTokens(torch.nn.Module):
    """Cross-entropy of the tokens that are masked, by BERT's head, whose output matrix is the table of embeddings."""

    def __init__(self, flags: PretrainFlags, student: BertModel, tokenizer: PreTrainedTokenizerFast) -> None:
        super().__init__()
        self.seed, self.mask_id = flags.seed, tokenizer.mask_token_id
        self.special = torch.tensor(sorted(tokenizer.all_special_ids))
        self.n_pieces = len(tokenizer)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(torch_seed(flags.seed, "pretraining head"))
            head = BertLMPredictionHead(student.config)
        self.transform, self.bias = head.transform, head.bias

    def forward(self, student: BertModel, batch: Batch, texts: np.ndarray, step: int) -> torch.Tensor:
        """Return the loss of a batch whose masks are drawn from (seed, step), a scalar."""
        ids, labels = self.masked(batch["input_ids"], step)
        hidden = student(input_ids=ids, attention_mask=batch["attention_mask"]).last_hidden_state
        asked = labels != IGNORED
        logits = self.transform(hidden[asked]) @ student.embeddings.word_embeddings.weight.mT + self.bias
        return cross_entropy(logits, labels[asked])

    def masked(self, ids: torch.Tensor, step: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return (`ids` with 15 % of them masked, labels: the masked ones' ids, else IGNORED), int64 [texts, seq].

        80 % of these by [MASK], 10 % by any piece, 10 % as they are. At least one token of a batch is masked.
        """
        rng = generator(self.seed, "pretraining mask", step)
        draw, how = (torch.from_numpy(rng.random(tuple(ids.shape))) for _ in range(2))
        draw = draw.masked_fill(torch.isin(ids, self.special), 2.0)
        asked = draw < max(MASKED, float(draw.min()) + 1e-12)
        labels = ids.masked_fill(~asked, IGNORED)
        others = torch.from_numpy(rng.integers(len(self.special), self.n_pieces, tuple(ids.shape)))
        by_mask, by_other = asked & (how < BY_MASK), asked & (how >= BY_MASK) & (how < BY_MASK + BY_OTHER)
        return torch.where(by_other, others, ids.masked_fill(by_mask, self.mask_id)), labels
