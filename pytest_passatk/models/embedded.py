"""Where the embedded model is."""

from pathlib import Path

from pytest_passatk.core.errors import UsageError

PACKAGE = Path(__file__).resolve().parents[1]
PLACES = (PACKAGE.parent / "fixtures" / "tiny", PACKAGE / "fixtures" / "tiny")  # of a checkout, of an installed wheel


def embedded_folder() -> Path:
    """The folder with the embedded model's files. Raises UsageError where it is in neither place."""
    for place in PLACES:
        if (place / "config.json").is_file():
            return place
    raise UsageError(
        f"the embedded model is neither in {PLACES[0]} (of a checkout) nor in {PLACES[1]} (of an installation): "
        "install pytest-passatk again, or name a model with --model"
    )
