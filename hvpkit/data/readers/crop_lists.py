"""Read the lists of object crops that were released with HVPNeT."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from hvpkit.errors import DataError

MAX_CROPS = 3

CropLists = dict[str | int, list[str]]


class CropListError(DataError):
    """A list of crops cannot be read safely, or is malformed."""


def read_crop_list(file: Path) -> CropLists:
    """Load a `_dict.pth` file without executing any of it.

    Returns:
        At most three crop file names, best first, by image file name (MNER) or line number from 0 (MRE).

    Raises:
        CropListError: "crop-list-unreadable", "crop-list-not-dict" or "crop-list-malformed".
    """
    import torch

    try:
        table = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # broken pickles raise exceptions of any type
        raise CropListError("crop-list-unreadable", file=file, reason=str(error).partition("\n")[0][:120]) from error
    if not isinstance(table, dict):
        raise CropListError("crop-list-not-dict", file=file)
    for key, names in table.items():
        is_list = isinstance(names, (list, tuple)) and all(isinstance(name, str) for name in names)
        if not isinstance(key, (str, int)) or not is_list:
            raise CropListError("crop-list-malformed", file=file, key=key, found=names)
    return {key: [PurePosixPath(name).name for name in names[:MAX_CROPS]] for key, names in table.items()}
