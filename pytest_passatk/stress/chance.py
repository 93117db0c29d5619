"""The global source of randomness of a process, which a patch has to leave to the engine."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import blake2b

SEED = 20_261_130  # of no meaning, so that nobody seeds the same by chance


@contextmanager
def seeded() -> Iterator[Callable[[], str]]:
    """Let torch's generator on the CPU start anew for the block, and be as it was behind it.

    Gives a function that tells where it is: equal where as many numbers have been drawn.
    """
    import torch  # noqa: PLC0415 - heavy

    before = torch.get_rng_state()
    torch.default_generator.manual_seed(SEED)
    try:
        yield lambda: blake2b(torch.get_rng_state().numpy().tobytes(), digest_size=8).hexdigest()
    finally:
        torch.set_rng_state(before)
