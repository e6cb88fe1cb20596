"""The forward pass of a BERT-like encoder on a GPU: real tokens only, by torch's attention over rows of any length.

What utils/model/encoder.py is on the CPU. The places of the tokens are worked out where a batch is made, so that
the GPU is never waited for.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING, Any

import torch
from torch.nn.functional import scaled_dot_product_attention
from transformers.modeling_outputs import BaseModelOutputWithPastAndCrossAttentions

from utils.machine.device import staged
from utils.model.encoder import heads_read_first_token

if TYPE_CHECKING:
    from transformers import PreTrainedModel
    from transformers.models.bert.modeling_bert import BertEncoder, BertLayer  # the layout of all these families

Batch = dict[str, torch.Tensor]
#: real tokens of a batch from which on packing is worth what its calls cost: below, a GPU waits for the next kernel to
#: be started, and more calls are more time. An estimate: `python -m benchmarks.gpu` measures both.
PACKED_FROM = 4096


@dataclass(frozen=True)
class Packing:
    """Where a batch's real tokens are: `index`, int64 [tokens], their places in [rows · seq]; `offsets`, int64
    [rows + 1], where each row begins among them; tokens of the `longest` row and of the `shortest`.
    """

    index: torch.Tensor
    offsets: torch.Tensor
    longest: int
    shortest: int

    @classmethod
    def of(cls, mask: torch.Tensor, device: torch.device) -> "Packing":
        """Return that of a batch's attention mask [rows, seq] on the CPU, with its tensors on `device`."""
        lengths = mask.sum(1)
        index = mask.flatten().nonzero()[:, 0]
        places = {"index": index, "offsets": torch.nn.functional.pad(lengths.cumsum(0), (1, 0))}
        return cls(**staged(places, device), longest=int(lengths.max()), shortest=int(lengths.min()))

    def of_firsts(self) -> "Packing":
        """Return that of the rows' first tokens alone."""
        return Packing(self.offsets[:-1], torch.arange(len(self.offsets), device=self.offsets.device), 1, 1)


class Feed:
    """Brings batches to `device` in the form in which `model` computes them fastest there.

    `packing` is that of the batch that was brought last, if it is one that the encoder computes packed.
    """

    def __init__(self, model: "PreTrainedModel", device: torch.device, dtype: torch.dtype, packed_from: int | None
                 ) -> None:
        """`dtype`: of the products; `packed_from`: as PACKED_FROM, or None: no batch is packed."""
        self.device, self.dtype, self.packed_from = device, dtype, packed_from
        self.reads_first = heads_read_first_token(model)
        self.takes_masks = self.reads_first and takes_masks(model)
        self.packing: Packing | None = None

    def __call__(self, batch: Batch) -> Batch:
        """Return a batch of `Head.collate` on the device. No work on the device is waited for."""
        self.packing = None
        if not self.reads_first:
            return staged(batch, self.device)
        mask = batch["attention_mask"]
        grid = mask.view(-1, mask.shape[-1])
        full = bool(mask.all())
        large = self.packed_from is not None and int(mask.sum()) >= self.packed_from
        if large and has_kernel(self.device, self.dtype):
            self.packing = Packing.of(grid, self.device)
        if full or self.packing:  # the model makes a mask of ones, or none
            return staged({name: tensor for name, tensor in batch.items() if name != "attention_mask"}, self.device)
        if mask.ndim == 2 and self.takes_masks:
            # As the model would make it, but that asks the device whether any token is padding, and waits for it
            batch = staged({**batch, "attention_mask": mask[:, None, None].bool()}, self.device)
            wide = batch["attention_mask"].expand(-1, -1, mask.shape[-1], -1)
            return {**batch, "attention_mask": wide}
        return staged(batch, self.device)


@contextmanager
def varlen_encoder(model: "PreTrainedModel", device: torch.device, dtype: torch.dtype,
                   packed_from: int = PACKED_FROM) -> Iterator[Feed]:
    """Let the encoder of `model` compute large batches packed inside the `with`; yield what brings batches to it.

    `dtype` is that of the products. Where torch has no kernel for that, where the run asks for the same bits each time,
    which the kernels do not promise, and in families of another layout, the model's own forward pass computes all.
    """
    packs = heads_read_first_token(model) and not torch.are_deterministic_algorithms_enabled()
    feed = Feed(model, device, dtype, packed_from if packs else None)
    if not packs:
        yield feed
        return
    encoder = model.base_model.encoder
    own = encoder.forward
    try:
        encoder.forward = partial(_forward, encoder, own, feed)
        yield feed
    finally:
        del encoder.forward


def _forward(encoder: "BertEncoder", own: Callable, feed: Feed, hidden_states: torch.Tensor, *others: Any,
             **options: Any) -> Any:
    """Return the encoder's output for `hidden_states` [rows, seq, hidden]; of a packed batch, at the first tokens."""
    if feed.packing is None:
        return own(hidden_states, *others, **options)
    return packed_forward(encoder, feed.packing, hidden_states)


def packed_forward(encoder: "BertEncoder", packing: Packing, hidden_states: torch.Tensor
                   ) -> BaseModelOutputWithPastAndCrossAttentions:
    """Return the encoder's output at the first tokens, [rows, 1, hidden], from `hidden_states` [rows, seq, hidden]."""
    firsts = packing.offsets[:-1]
    hidden = hidden_states.flatten(0, 1).index_select(0, packing.index)
    for layer in encoder.layer[:-1]:
        hidden = _layer(layer, hidden, hidden, packing, packing)
    first = _layer(encoder.layer[-1], hidden.index_select(0, firsts), hidden, packing.of_firsts(), packing)
    return BaseModelOutputWithPastAndCrossAttentions(last_hidden_state=first[:, None])


def _layer(layer: "BertLayer", x: torch.Tensor, context: torch.Tensor, queries: Packing, keys: Packing
           ) -> torch.Tensor:
    """Return one layer's output at the tokens `x` [queries, hidden], which attend to `context` [tokens, hidden]."""
    own = layer.attention.self
    q = _rows(own.query(x), queries, own.num_attention_heads)
    k, v = (_rows(linear(context), keys, own.num_attention_heads) for linear in (own.key, own.value))
    attended = scaled_dot_product_attention(q, k, v, dropout_p=own.dropout.p if own.training else 0.0)
    attended = layer.attention.output(attended.transpose(1, 2).values().flatten(1), x)
    return layer.output(layer.intermediate(attended), attended)


def _rows(x: torch.Tensor, packing: Packing, heads: int) -> torch.Tensor:
    """Return tokens [tokens, hidden] as a nested tensor [rows, heads, (length), hidden / heads], without a copy."""
    from torch.nested import nested_tensor_from_jagged

    return nested_tensor_from_jagged(x.unflatten(1, (heads, -1)), packing.offsets, min_seqlen=packing.shortest,
                                     max_seqlen=packing.longest).transpose(1, 2)


def takes_masks(model: "PreTrainedModel") -> bool:
    """Return whether an encoder of transformers takes a mask [rows, 1, seq, seq] as it is: older ones refuse it."""
    try:
        from transformers import masking_utils
    except ImportError:
        return False

    return hasattr(masking_utils, "create_bidirectional_mask") and model.config._attn_implementation == "sdpa"


@cache
def has_kernel(device: torch.device, dtype: torch.dtype) -> bool:
    """Return whether torch's attention over rows of any length works on `device`, there and back, by a trial.

    On a GPU by a kernel for it: torch's stand-in without one waits for the device in each layer. It is tried once,
    whether the batch that it is tried for is trained or evaluated.
    """
    from torch.nn.attention import SDPBackend, sdpa_kernel

    kernels = sdpa_kernel([SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION]) if device.type == "cuda" \
        else nullcontext()
    heads, lengths = 2, (3, 7, 1)
    try:
        values = torch.linspace(-1, 1, sum(lengths) * heads * 16, device=device).view(-1, heads * 16).to(dtype)
        with kernels, torch.inference_mode(False), torch.enable_grad():
            packing = Packing.of(torch.tensor([[k < n for k in range(max(lengths))] for n in lengths]), device)
            tokens = values.clone().requires_grad_()
            rows = _rows(tokens, packing, heads)
            together = scaled_dot_product_attention(rows, rows, rows).transpose(1, 2).values().flatten(1)
            places = packing.offsets[:-1]
            firsts = _rows(tokens.index_select(0, places), packing.of_firsts(), heads)
            first = scaled_dot_product_attention(firsts, rows, rows).transpose(1, 2).values().flatten(1)
            (together.float().sum() + first.float().sum()).backward()
        alone = [row.unflatten(1, (heads, -1)).transpose(0, 1)[None] for row in values.float().split(lengths)]
        apart = [scaled_dot_product_attention(row, row, row)[0].transpose(0, 1).flatten(1) for row in alone]
        finite = tokens.grad is not None and bool(tokens.grad.isfinite().all())
        found = torch.cat([together, first]).float()
        wanted = torch.cat([*apart, *(row[:1] for row in apart)])
        return finite and bool((found - wanted).abs().max() < 0.02)
    except Exception:  # of a kernel that is not there: no common class
        return False
