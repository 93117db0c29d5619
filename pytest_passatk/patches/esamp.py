"""ESamp (`--patch esamp`): sample away from what a small network, trained meanwhile, can already predict.

A distiller learns, while requests decode, to tell from the first block's normed input what the last block's will be.
What it predicts becomes logits d, and each candidate's logit z becomes (1 + β) z − β d: tokens whose likelihood deep
layers raise over what was foreseen gain, and samples of one prompt spread.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

from pytest_passatk.core.patch import Capture, Claim, Live, Patch, StepView, Tensor
from pytest_passatk.patches.esamp_knobs import Knobs
from pytest_passatk.patches.esamp_learner import Learner


def load(
    *,
    beta: float = 0.8,
    mode: str = "shared",
    rank: int | None = None,
    lr: float = 1e-3,
    optimizer: str = "adamw",
    weight_decay: float | None = None,
    layernorm: bool = True,
    init: str = "normal",
    first_per_prompt: bool | None = None,
    first_predicts: bool | None = None,
    slots: int = 0,
    training: bool = True,
    seed: int = 0,
    source: str = "layers.0.input_layernorm",
    target: str = "layers.-1.input_layernorm",
) -> Patch:
    """ESamp with these settings (`--passatk-patch-args beta=0.8,mode=bank,rank=64`).

    Left out is what only speeds other implementations up, or only watches them: streams and their priorities, capture
    into CUDA graphs, Triton kernels, the choice of a sampler's backend, a compact lane for first rows, and traces of
    losses. Scratch is always as long as the engine's largest batch.

    Args:
        beta: β, how strongly samples are guided; with 0 the distiller trains, and every token is what it is without.
        mode: `shared` has one distiller for all prompts. `per_request` and `bank` have one a prompt: the first trains
            on all of the prompt's rows and guides each row by its own prediction; the latter trains on its first row
            (that of the lowest sample in the batch), and guides all of them by the prediction for that one.
        rank: of the distiller; by default 64 in a bank and else 128, never more than the network's width.
        lr: the learning rate; one update a step in which anything decodes.
        optimizer: `adamw` (betas 0.9 and 0.999, eps 1e-8) or `sgd`.
        weight_decay: by default 0.01 with AdamW, 0 with SGD.
        layernorm: whether the distiller ends in a layer norm.
        init: the weights at the start: `normal` draws them from N(0, 0.02²); `ffn_fast_svd` factorises the feed-forward
            network of the target's block, as if its gate were half open; `ridge_svd` starts like `normal` and, once a
            distiller has seen 32 rows or 4 steps, replaces it by the factors of a ridge regression on them.
        first_per_prompt: whether only the first row of each prompt trains; by default so in a bank.
        first_predicts: whether a prompt's samples are all guided by the prediction for its first row; likewise.
        slots: the most prompts that may decode at once, where each has a distiller; 0 makes room as needed.
        training: whether the distillers learn at all.
        seed: of the distillers' first weights, together with the prompt's name.
        source: the layer that is predicted from.
        target: the layer that is predicted.

    Raises:
        ValueError: a value is not allowed.
    """
    return ESamp(
        Knobs(
            beta=beta,
            mode=mode,
            rank=rank,
            lr=lr,
            optimizer=optimizer,
            weight_decay=weight_decay,
            layernorm=layernorm,
            init=init,
            first_per_prompt=first_per_prompt,
            first_predicts=first_predicts,
            slots=slots,
            training=training,
            seed=seed,
            source=source,
            target=target,
        )
    )


class ESamp(Patch):
    """See `load`.

    Guidance in a step uses what was learned in the steps before it; learning follows when its tokens are drawn.

    Args:
        knobs: the settings.

    Attributes:
        learner: the distillers while a runtime is attached, else `None`.
        losses: of the last update, before it, one a distiller that took part; `None` where there was none.
    """

    def __init__(self, knobs: Knobs) -> None:
        self.knobs = knobs
        self.claim = Claim.OTHER_DISTRIBUTION if knobs.beta else Claim.SAME_TOKENS
        self.layers = (knobs.source, knobs.target)
        self.learner: Learner | None = None
        self.losses: Tensor | None = None
        self._counts: Counter[str] = Counter()
        self._names = ["steps", "decode_rows", "layer_calls"]
        self._names += ["updates"] * knobs.training + ["predictions", "guided_rows"] * bool(knobs.beta)

    @contextmanager
    def attach(self, live: Live) -> Iterator[None]:
        """Start with new distillers; nothing of the runtime is touched."""
        self._counts, self.losses = Counter(), None
        self.learner = Learner(live, self.knobs)
        try:
            yield
        finally:
            self.learner = None

    def begin_step(self, view: StepView) -> None:
        """Note which rows decode, and find a distiller for each."""
        self._attached.begin(view)
        self._counts.update(steps=1, decode_rows=len(view.decode))

    def on_layer(self, name: str, tensor: Tensor) -> None:
        """Take the rows that decode."""
        self._counts.update(layer_calls=1)
        self._attached.scratch.take(name, tensor)

    def captured(self) -> Iterable[Capture]:
        """The rows of both layers."""
        return self._attached.scratch.captures()

    def modify_candidates(self, logits: Tensor) -> Tensor:
        """Guide the rows that decode."""
        learner = self._attached
        if not self.knobs.beta or not learner.scratch.has(self.knobs.source):
            return logits
        self._counts.update(predictions=1, guided_rows=learner.scratch.active)
        return learner.guide(logits)

    def end_step(self) -> None:
        """Learn from the step."""
        learner = self._attached
        if self.knobs.training and learner.scratch.complete:
            self.losses = learner.train()
            self._counts.update(updates=1)
        learner.scratch.drop()

    def buffers(self) -> Mapping[str, tuple[Tensor, int]]:
        """The scratch of a step."""
        return self.learner.scratch.buffers() if self.learner else {}

    def counters(self) -> Mapping[str, int]:
        """Steps, rows that decode, layers seen; updates where it trains; steps and rows guided where it guides."""
        return {name: self._counts[name] for name in self._names}

    @property
    def _attached(self) -> Learner:
        if self.learner is None:
            raise RuntimeError("esamp: a step began before the patch was attached to a runtime")
        return self.learner
