"""The released lists of object crops (no torch until one is read)."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from hvpkit.errors import DataError

KEPT = 3

CropLists = dict[str | int, list[str]]


class CropListError(DataError):
    """A list of crops cannot be read without running it, or is not one."""


def read_crop_list(file: Path) -> CropLists:
    """Read a `_dict.pth`: image file name (MNER) or line, from 0 (MRE), to at most three crop file names, best first.

    Raises CropListError. Nothing in the file is executed.
    """
    import torch

    try:
        table = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # broken pickles raise anything at all
        raise CropListError("crop-list-unreadable", file=file, reason=str(error).partition("\n")[0][:120]) from error
    if not isinstance(table, dict):
        raise CropListError("crop-list-not-dict", file=file)
    for key, names in table.items():
        if not isinstance(key, (str, int)) or not isinstance(names, (list, tuple)) or not all(isinstance(name, str) for name in names):
            raise CropListError("crop-list-malformed", file=file, key=key, found=names)
    return {key: [PurePosixPath(name).name for name in names[:KEPT]] for key, names in table.items()}
