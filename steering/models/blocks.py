"""Finding a model's decoder blocks by what they do, not by what they are called.

A forward pass over a short text shows which lists of modules return `[batch, seq, width]` tensors one after another. Two more
passes check that adding zero leaves the logits unchanged and that adding a vector changes them.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from steering.errors import ModelError, check_interrupt

MAX_FUTURE_INFLUENCE = 0.01
"""Share of the logits' standard deviation by which a later token may change the logits at an earlier one. Rounding stays below
it; in an encoder, where tokens attend to later ones, the change is larger."""

Edit = Callable[[int, torch.Tensor], torch.Tensor | None]
"""Given a layer's number and its output `[batch, seq, d_model]`, returns the new output, or None to leave it."""


@contextmanager
def editing(blocks: Sequence[nn.Module], edit: Edit, layers: Sequence[int] | None = None) -> Iterator[None]:
    """Call `edit` with the output of each block for as long as the context lasts.

    A block returns a tensor or a tuple that starts with one; the same kind is given back, and nothing is written in
    place. All hooks are removed on the way out, also when registering one of them fails, or when the work is interrupted
    behind a block.

    Args:
        blocks: the decoder blocks.
        edit: sees, and may replace, each block's output.
        layers: which blocks to hook; all when None.
    """

    def hook_for(layer: int) -> Callable[..., Any]:
        def hook(_module: nn.Module, _inputs: object, output: Any) -> Any:
            check_interrupt()
            if isinstance(output, torch.Tensor):
                return edit(layer, output)
            hidden = edit(layer, output[0])
            return None if hidden is None else (hidden, *output[1:])

        return hook

    handles: list[Any] = []
    try:
        for layer in range(len(blocks)) if layers is None else layers:
            handles.append(blocks[layer].register_forward_hook(hook_for(layer)))
        yield
    finally:
        for handle in handles:
            handle.remove()


def find_blocks(model: nn.Module, probe: torch.Tensor) -> tuple[tuple[nn.Module, ...], int]:
    """Find the decoder blocks of a causal language model and the width of its residual stream.

    Args:
        model: a causal language model that takes `input_ids`.
        probe: token ids `[1, seq]`, seq at least 2.

    Returns:
        The blocks in order, and d_model.

    Raises:
        ModelError: no list of modules behaves like decoder blocks; the message lists the candidates.
    """
    lists = {
        name: module for name, module in model.named_modules() if isinstance(module, nn.ModuleList) and len(module)
    }
    calls_by_list: dict[str, list[tuple[int, torch.Size]]] = {name: [] for name in lists}
    handles = []
    try:
        for name, members in lists.items():
            for position, member in enumerate(members):
                handles.append(member.register_forward_hook(_recorder(calls_by_list[name], position)))
        with torch.no_grad():
            model(input_ids=probe, use_cache=False)
    finally:
        for handle in handles:
            handle.remove()

    n_layers = _configured_layers(model)
    candidates = {}
    for name, calls in calls_by_list.items():
        shapes = {shape for _, shape in calls}
        ran_once_in_order = [position for position, _ in calls] == list(range(len(lists[name])))
        if ran_once_in_order and len(shapes) == 1 and next(iter(shapes))[:-1] == probe.shape:
            candidates[name] = next(iter(shapes))[-1]
    # Other lists can return such tensors too, where the blocks return something else, such as several streams at once.
    candidates = {name: width for name, width in candidates.items() if not n_layers or len(lists[name]) in n_layers}
    if not candidates:
        descriptions = ", ".join(
            f"{name} ({len(members)} x {type(members[0]).__name__}{_returned(calls_by_list[name])})"
            for name, members in lists.items()
        )
        raise ModelError(
            f"No decoder blocks were found in {type(model).__name__}. Lists of modules in it: {descriptions or 'none'}. "
            "A model can be steered when its blocks sit in one list and each returns [batch, seq, d_model]."
        )
    # A list inside a block (experts, adapters) can behave like blocks too, but is nested deeper: take the outermost.
    name = min(candidates, key=lambda name: (name.count("."), -len(lists[name])))
    return tuple(lists[name]), candidates[name]


def check_blocks(model: nn.Module, blocks: Sequence[nn.Module], probe: torch.Tensor) -> None:
    """Check that the blocks carry the residual stream: adding zero changes nothing, adding a random vector changes the logits.

    Also checks that no token attends to later ones, as in an encoder.

    Args:
        model: the model that the blocks are of.
        blocks: its decoder blocks.
        probe: token ids `[1, seq]`, the first and the last of which differ.

    Raises:
        ModelError: one of these does not hold.
    """
    middle = len(blocks) // 2
    # Two rows that differ in their last token; nothing is added to the first one, and a random vector to the second.
    ids = torch.cat([probe, torch.cat([probe[:, :-1], probe[:, :1]], dim=1)])

    def add_to_second_row(_layer: int, hidden: torch.Tensor) -> torch.Tensor:
        direction = torch.randn(hidden.shape[-1], generator=torch.Generator().manual_seed(0)).to(hidden)
        step = direction * (hidden.norm(dim=-1, keepdim=True) / direction.norm())
        return hidden + step * torch.tensor([0, 1]).to(hidden)[:, None, None]

    with torch.no_grad():
        unsteered = model(input_ids=ids, use_cache=False).logits
        with editing(blocks, add_to_second_row, [middle]):
            steered = model(input_ids=ids, use_cache=False).logits
    name = type(model).__name__
    if not unsteered.isfinite().all():
        raise ModelError(
            f"{name} computes numbers that are not finite in {unsteered.dtype}: its weights are damaged, or it needs float32 "
            "or bfloat16."
        )
    # Not bit for bit: mixture-of-experts layers batch the tokens of both rows, so one row changes the rounding of the other.
    if (unsteered[0] - steered[0]).abs().max() > rounding_of_logits(unsteered):
        raise ModelError(f"{name} gives other logits when nothing is added: it cannot be measured.")
    if (unsteered[0] - unsteered[1])[:-1].abs().max() > max(
        MAX_FUTURE_INFLUENCE * unsteered.std(), rounding_of_logits(unsteered)
    ):
        raise ModelError(
            f"{name} is not a causal language model: its tokens see those that come after them. Choose a decoder model."
        )
    if torch.equal(unsteered[1], steered[1]):
        raise ModelError(
            f"{name} ignores what is added to the output of its {type(blocks[0]).__name__} blocks: they do not carry the "
            "residual stream, so it cannot be steered."
        )


def rounding_of_logits(logits: torch.Tensor) -> float:
    """Largest difference that rounding makes between logits of equal inputs: standard deviation times the root of the epsilon.

    Rounding errors grow from layer to layer, so the epsilon of the type itself is too strict. Where one row really depends on
    another, logits differ by about their standard deviation.
    """
    return float(logits.float().std()) * torch.finfo(logits.dtype).eps ** 0.5


def _configured_layers(model: nn.Module) -> set[int]:
    """How many blocks a model has by its config, which counts those of an encoder and a decoder apart; empty if unknown."""
    config: Any = getattr(model, "config", None)
    config = config.get_text_config() if hasattr(config, "get_text_config") else config
    counts = [getattr(config, name, None) for name in ("num_hidden_layers", "decoder_layers")]
    return {count for count in counts if isinstance(count, int)}


def _returned(calls: Sequence[tuple[int, torch.Size]]) -> str:
    shapes = dict.fromkeys(str(list(shape)) for _, shape in calls)
    return f" returning {' or '.join(shapes)}" if shapes else ""


def _recorder(calls: list[tuple[int, torch.Size]], position: int) -> Callable[..., None]:
    def hook(_module: nn.Module, _inputs: object, output: Any) -> None:
        hidden = (
            output if isinstance(output, torch.Tensor) else output[0] if isinstance(output, tuple) and output else None
        )
        if isinstance(hidden, torch.Tensor):
            calls.append((position, hidden.shape))

    return hook
