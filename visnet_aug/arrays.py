"""Images and masks as arrays: their types, and checks of what a caller passes."""

from __future__ import annotations

from os import PathLike
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Image: TypeAlias = NDArray[np.uint8]
"""RGB, H×W×3."""

Mask: TypeAlias = NDArray[np.bool_]
"""H×W, True for the person."""


def check_image(image: object, name: str = "image") -> Image:
    """Return an image that a caller passed, or raise an error that says what is wrong with it.

    Args:
        image: What should be an RGB uint8 array, H×W×3.
        name: What the message calls it.

    Raises:
        TypeError: It is no NumPy array.
        ValueError: It is an array of another type or shape, or it is empty.
    """
    array = _check_array(image, name, "np.asarray(PIL.Image.open(path).convert('RGB'))")
    if array.ndim == 2 or (array.ndim == 3 and array.shape[2] == 1):
        problem = "is grey; convert it with cv2.cvtColor(image, cv2.COLOR_GRAY2RGB)"
    elif array.ndim == 3 and array.shape[2] == 4:
        problem = "has four channels; drop the alpha channel with image[..., :3]"
    elif array.ndim == 4:
        problem = "is a batch; pass its images one by one or as a list"
    elif array.ndim != 3 or array.shape[2] != 3:
        problem = "has another shape; channels come last"
    elif array.dtype != np.uint8:
        problem = f"is {array.dtype}; convert it to levels of 0 to 255 as uint8"
    elif array.size == 0:
        problem = "is empty"
    else:
        return array
    raise ValueError(f"{name} {_size(array)} {problem} (needed: RGB uint8, H×W×3)")


def check_mask(mask: object, image: Image, name: str = "mask") -> Mask:
    """Return a mask that a caller passed as bool, or raise an error that says what is wrong.

    Args:
        mask: What should be H×W: bool, or integers of which 0 is background and 1 or 255 the
            person.
        image: The image it belongs to, H×W×3.
        name: What the message calls it.

    Raises:
        TypeError: It is no NumPy array.
        ValueError: It is not of the image's size, or holds other values.
    """
    array = _check_array(mask, name, "np.asarray(PIL.Image.open(path))")
    if array.shape != image.shape[:2]:
        raise ValueError(f"{name} is {_size(array)}, but its image is {_size(image[..., 0])}")
    if array.dtype == np.bool_:
        return array
    if not np.issubdtype(array.dtype, np.integer) or not np.isin(array, (0, 1, 255)).all():
        raise ValueError(
            f"{name} {array.dtype} holds other values than 0, 1 and 255; threshold it, "
            "for example with mask > 127"
        )
    return array.astype(np.bool_)


def _check_array(value: object, name: str, read: str) -> NDArray[Any]:
    if isinstance(value, np.ndarray):
        return value
    if isinstance(value, (str, PathLike)):
        raise TypeError(f"{name} is a path ({value}), not an array; read it with {read}")
    if value is None:
        raise TypeError(f"{name} is None; there is nothing to work on (no person found?)")
    raise TypeError(f"{name} is a {type(value).__name__}, not a NumPy array; convert it first")


def _size(array: NDArray[Any]) -> str:
    return "×".join(map(str, array.shape))
