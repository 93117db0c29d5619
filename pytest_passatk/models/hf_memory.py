"""What to do where memory runs out."""

import gc


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out: a GPU's error class, or the words of torch's CPU allocator."""
    import torch  # noqa: PLC0415 - heavy

    words = ("out of memory", "can't allocate memory")
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or any(w in str(error).lower() for w in words)


def release_memory() -> None:
    """Give back what nothing holds any more."""
    import torch  # noqa: PLC0415 - heavy

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
