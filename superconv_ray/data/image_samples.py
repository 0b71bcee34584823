"""Data sets of the user's own class: anything with a length and numbered samples."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from PIL import Image

from superconv_ray.data.decoding import (
    UNREADABLE,
    Cropping,
    DamagedImageError,
    Pixels,
    decode,
    shown,
)
from superconv_ray.data.images import (
    CENTER_CROP,
    ImageDataset,
    check_settings,
    digest_of_parts,
    sampled,
)


class Samples(Protocol):
    """A map-style data set, as PyTorch calls it."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> tuple[Any, Any]:
        """Return an image and its class."""


def image_samples(
    train: Samples,
    test: Samples,
    *,
    image_size: int,
    center_crop: float = CENTER_CROP,
    version: str = "",
) -> ImageDataset:
    """Return a data set of your own map-style data sets, such as torchvision's.

    A sample is an image and its class, an integer from 0. An image is encoded (bytes), a PIL image,
    an array [height, width] or [height, width, channels] of uint8, or a tensor [height, width] or
    [channels, height, width] of uint8. The same number must always give the same image: leave
    random augmentation to the trial's `augment`. Samples are read by several threads, and by
    workers that have received the objects by pickle.

    Classes are taken from an attribute ``targets`` or ``labels``, and compared with those of some
    samples; if there is neither, every sample is read once.

    Args:
        train: The training samples.
        test: The test samples.
        image_size: Height and width of the images that a model sees, in pixels.
        center_crop: Side of the central square, as a share of an image's shorter side.
        version: Text that is part of the digest. Besides, the digest covers the classes and some of
            the images; change the text if others change.

    Raises:
        ValueError: A setting breaks its rule, a sample is not of this form or of another class than
            was listed, or it differs when it is read again.
    """
    check_settings(image_size, center_crop)
    parts = [OwnImages(train, "training"), OwnImages(test, "test")]
    labels = [images.labels() for images in parts]
    return ImageDataset(
        train=parts[0],
        train_labels=labels[0],
        test=parts[1],
        test_labels=labels[1],
        image_size=image_size,
        center_crop=center_crop,
        contents=digest_of_parts(
            [
                *(version, *of_part.tolist()),
                *(images.fingerprint(i, int(of_part[i])) for i in sampled(len(of_part))),
            ]
            for images, of_part in zip(parts, labels, strict=True)
        ),
    )


@dataclass(frozen=True, eq=False)
class OwnImages:
    """Images of a user's own data set; see `ImageSource`.

    Attributes:
        samples: The data set.
        part: "training" or "test", for messages.
    """

    samples: Samples = field(repr=False)
    part: str

    @property
    def remote(self) -> bool:
        """False: nothing is known about where they come from."""
        return False

    def __len__(self) -> int:
        return len(self.samples)

    def labels(self) -> npt.NDArray[np.int64]:
        """Return the classes of all samples.

        Raises:
            ValueError: They are not integers.
        """
        given = getattr(self.samples, "targets", getattr(self.samples, "labels", None))
        if given is None:
            given = [self.samples[i][1] for i in range(len(self))]
        array = np.asarray(given)
        if array.ndim != 1 or not np.issubdtype(array.dtype, np.integer):
            raise ValueError(
                f"classes of the {self.part} samples must be integers [n], got {array.dtype} of "
                f"shape {array.shape}"
            )
        return array.astype(np.int64)

    def pixels(self, index: int, cropping: Cropping, size: int) -> Pixels:
        """Return a part of an image; see `ImageSource`."""
        try:
            image = self.samples[index][0]
            if isinstance(image, bytes):
                return decode(image, cropping, size)
            return shown(_picture(image), cropping, size)
        except DamagedImageError as error:
            raise DamagedImageError(f"{self._name(index)} cannot be decoded: {error}") from None

    def fingerprint(self, index: int, label: int) -> str:
        """Return a digest of an image.

        Args:
            index: Number of the sample.
            label: Its class.

        Raises:
            ValueError: It is of no known form or of another class, or differs when it is read
                again.
        """
        image, found = self.samples[index]
        if not np.array_equal(found, label):
            raise ValueError(
                f"{self._name(index)} must be of the class that `targets` or `labels` of its data "
                f"set names, {label}, got {found!r}"
            )
        once, again = (_digest(one, self._name(index)) for one in (image, self.samples[index][0]))
        if once != again:
            raise ValueError(
                f"{self._name(index)} must be the same whenever it is read, but differs: leave "
                "random augmentation to the trial's augment"
            )
        return once

    def _name(self, index: int) -> str:
        return f"{self.part} sample {index}"


def _digest(image: Any, name: str) -> str:
    try:
        content = image if isinstance(image, bytes) else np.asarray(_picture(image)).tobytes()
    except UNREADABLE as error:
        raise ValueError(f"{name} cannot be used: {error}") from None
    return hashlib.sha256(content).hexdigest()


def _picture(image: Any) -> Image.Image:
    if isinstance(image, Image.Image):
        return image
    if hasattr(image, "movedim"):  # a tensor
        image = (image.movedim(0, -1) if image.ndim == 3 else image).cpu().numpy()
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or image.ndim not in (2, 3):
        found = (
            f"{image.dtype} of shape {image.shape}"
            if isinstance(image, np.ndarray)
            else f"a {type(image).__name__}"
        )
        raise DamagedImageError(
            "an image must be bytes, a PIL image, or an array or tensor of uint8 with 2 or 3 "
            f"dimensions, got {found}"
        )
    return Image.fromarray(image[..., 0] if image.ndim == 3 and image.shape[2] == 1 else image)
