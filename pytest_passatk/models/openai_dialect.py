"""What servers understand beyond the common API, told by the `owned_by` of the models that they list."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from pytest_passatk.core.sample import Request, SamplingParams


@dataclass(frozen=True, slots=True)
class Dialect:
    """What one kind of server takes.

    Attributes:
        name: of the server's software.
        rest: the values of sampling parameters that change nothing. They are sent, too, because such a server falls
            back on the model's `generation_config.json`, or on defaults of its own; others may refuse unknown names.
        penalty: what it calls the repetition penalty.
        seed_bits: how long a seed it takes.
        token_ids: whether it returns the tokens of each completion when asked.
        strict: whether it answers under no other name than those that it lists, or with the same model under any.
    """

    name: str = ""
    rest: Mapping[str, float] = field(default_factory=dict)
    penalty: str = "repetition_penalty"
    seed_bits: int = 31
    token_ids: bool = False
    strict: bool = False

    def sampling(self, params: SamplingParams) -> dict[str, float]:
        """Temperature, nucleus and what the common API has no name for."""
        extras = {
            "top_k": params.top_k or None,
            "min_p": params.min_p or None,
            self.penalty: params.repetition_penalty if params.repetition_penalty != 1 else None,
        }
        moved = {name: value for name, value in extras.items() if value is not None}
        return {"temperature": params.temperature, "top_p": params.top_p, **self.rest, **moved}

    def seed(self, request: Request) -> int:
        """The seed of a sample, or the last of its bits."""
        return request.seed & ((1 << self.seed_bits) - 1)


ANY = Dialect()
DIALECTS = {
    dialect.name: dialect
    for dialect in (
        Dialect("vllm", {"top_k": 0, "min_p": 0, "repetition_penalty": 1}, seed_bits=63, token_ids=True, strict=True),
        Dialect("sglang", {"top_k": -1, "min_p": 0, "repetition_penalty": 1}, strict=True),
        Dialect("llamacpp", {"top_k": 0, "min_p": 0, "repeat_penalty": 1}, penalty="repeat_penalty", strict=True),
    )
}
