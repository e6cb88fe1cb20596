"""The forward pass of a BERT-like encoder on the CPU: the same sums, without those that no head reads.

Linear layers see real tokens only, end to end; attention alone sees a padded grid. And the last layer computes the
first token only, which is all that the heads of these families read: a sixth of MiniLM's arithmetic.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from transformers.modeling_outputs import BaseModelOutputWithPastAndCrossAttentions

from utils.model.dropout import Masks

if TYPE_CHECKING:
    from transformers import PreTrainedModel
    from transformers.models.bert.modeling_bert import BertEncoder, BertLayer  # the layout of all _FAMILIES

_FAMILIES = ("bert", "roberta", "xlm-roberta", "electra")  # one layout; their heads read the first token
_LANES = 16  # a grid's length is a multiple of the processor's vector: softmax is a third faster


@contextmanager
def fast_encoder(model: "PreTrainedModel", masks: Masks | None = None) -> Iterator[None]:
    """Let the encoder of `model` run `packed_forward` inside the `with`; in training, with dropout from `masks`.

    Families of another layout keep their own forward pass.
    """
    if not heads_read_first_token(model):
        yield
        return
    encoder = model.base_model.encoder
    try:
        encoder.forward = partial(packed_forward, encoder, masks)
        yield
    finally:
        del encoder.forward


def heads_read_first_token(model: "PreTrainedModel") -> bool:
    """Return whether `model` is of one of _FAMILIES, with a head that reads the encoder's first token alone."""
    config = model.config
    return config.model_type in _FAMILIES and not config.is_decoder and \
        getattr(config, "summary_type", "first") == "first"


@dataclass(frozen=True)
class Grid:
    """Where packed tokens stand in a padded grid: `index`, int64 [tokens], their places in [rows · length]."""

    rows: int
    length: int
    index: torch.Tensor

    def spread(self, x: torch.Tensor, heads: int) -> torch.Tensor:
        """Return packed tokens [tokens, hidden] as [rows · heads, length, hidden / heads], 0 where there is none."""
        grid = x.new_zeros(self.rows * self.length, x.shape[1]).index_copy_(0, self.index, x)
        return grid.view(self.rows, self.length, heads, -1).transpose(1, 2).reshape(self.rows * heads, self.length, -1)

    def pack(self, x: torch.Tensor, heads: int) -> torch.Tensor:
        """Undo `spread`: return the tokens, [tokens, hidden]."""
        grid = x.view(self.rows, heads, self.length, -1).transpose(1, 2).reshape(self.rows * self.length, -1)
        return grid.index_select(0, self.index)


def packed_forward(encoder: "BertEncoder", masks: Masks | None, hidden_states: torch.Tensor,
                   attention_mask: torch.Tensor | None = None, **unused: Any
                   ) -> BaseModelOutputWithPastAndCrossAttentions:
    """Return the encoder's output at the first tokens, [rows, 1, hidden], from `hidden_states` [rows, seq, hidden].

    `attention_mask`: what transformers makes of it, [rows, 1, queries, seq], true or 0 at the real tokens; or none.
    """
    rows, seq, _ = hidden_states.shape
    real = torch.ones(rows, seq, dtype=torch.bool)
    if attention_mask is not None:
        real = attention_mask[:, 0, 0] if attention_mask.dtype == torch.bool else attention_mask[:, 0, 0] == 0
    row, column = real.nonzero(as_tuple=True)
    length = -(-seq // _LANES) * _LANES
    keys = Grid(rows, length, row * length + column)
    firsts = Grid(rows, 1, torch.arange(rows))
    bias = torch.full((rows, 1, 1, length), -torch.inf)
    bias[:, 0, 0, :seq].masked_fill_(real, 0.0)

    hidden = hidden_states.flatten(0, 1).index_select(0, row * seq + column)
    for layer in encoder.layer[:-1]:
        hidden = _layer(layer, masks, hidden, hidden, keys, keys, bias)
    first = hidden.index_select(0, torch.nn.functional.pad(real.sum(1).cumsum(0)[:-1], (1, 0)))
    first = _layer(encoder.layer[-1], masks, first, hidden, firsts, keys, bias)
    return BaseModelOutputWithPastAndCrossAttentions(last_hidden_state=first[:, None])


def _layer(layer: "BertLayer", masks: Masks | None, x: torch.Tensor, context: torch.Tensor, queries: Grid,
           keys: Grid, bias: torch.Tensor) -> torch.Tensor:
    """Return one layer's output at the tokens `x` [queries, hidden], which attend to `context` [tokens, hidden]."""
    own = layer.attention.self
    heads = own.num_attention_heads
    q, k, v = own.query(x), own.key(context), own.value(context)
    kept = None
    if own.training and own.dropout.p:
        assert masks is not None, "training gives its masks"
        kept = masks.draw(torch.Size((keys.rows * heads, queries.length, keys.length)), own.dropout.p, q.dtype)
    scope = Scope(queries, keys, bias, heads, own.scaling)
    attended = layer.attention.output(Attention.apply(q, k, v, kept, scope), x)
    return layer.output(layer.intermediate(attended), attended)


@dataclass(frozen=True)
class Scope:
    """What attention looks at: `queries` at `keys`, at those whose `bias` (float32 [rows, 1, 1, length]) is not −∞."""

    queries: Grid
    keys: Grid
    bias: torch.Tensor
    heads: int
    scale: float


class Attention(torch.autograd.Function):
    """softmax(scale · q kᵀ + bias) v over packed tokens, with dropout `kept` on the softmax.

    Products are in the tokens' dtype, the softmax and its derivative in float32. One function, because in small
    products what autograd keeps and copies between them costs as much as they do.
    """

    @staticmethod
    def forward(ctx: Any, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, kept: torch.Tensor | None, scope: Scope
                ) -> torch.Tensor:
        """`q` [queries, hidden]; `k`, `v` [tokens, hidden]; `kept` [rows · heads, queries per row, length] or None.
        Returns [queries, hidden].
        """
        queries, keys, heads = scope.queries, scope.keys, scope.heads
        q, k, v = queries.spread(q, heads), keys.spread(k, heads), keys.spread(v, heads)
        scores = torch.bmm(q, k.mT).float().mul_(scope.scale)
        scores.view(keys.rows, heads, queries.length, keys.length).add_(scope.bias)
        weights = scores.softmax(-1)
        dropped = weights.to(q.dtype)
        if kept is not None:
            dropped = dropped * kept
        out = torch.bmm(dropped, v)
        ctx.save_for_backward(q, k, v, kept, weights, dropped, out)
        ctx.scope = scope
        return queries.pack(out, heads)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        q, k, v, kept, weights, dropped, out = ctx.saved_tensors
        queries, keys, heads = ctx.scope.queries, ctx.scope.keys, ctx.scope.heads
        gradient = queries.spread(gradient, heads)
        of_v = torch.bmm(dropped.mT, gradient)
        of_weights = torch.bmm(gradient, v.mT)
        if kept is not None:
            of_weights *= kept
        # Σ weights · of_weights of a row is out · gradient (Dao et al., 2022): no pass over the weights
        mean = (out.float() * gradient).sum(-1, keepdim=True)
        of_scores = (of_weights.float().sub_(mean).mul_(weights).mul_(ctx.scope.scale)).to(q.dtype)
        of_q, of_k = torch.bmm(of_scores, k), torch.bmm(of_scores.mT, q)
        return queries.pack(of_q, heads), keys.pack(of_k, heads), keys.pack(of_v, heads), None, None
