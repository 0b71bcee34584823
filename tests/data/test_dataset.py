import pickle
from typing import Any

import numpy as np
import pytest

from superconv_ray.data.dataset import Dataset


def arrays(**changes: Any) -> dict[str, Any]:
    """Four training and two test images of 2 x 3 grey pixels in two classes."""
    return {
        "train_inputs": np.arange(24, dtype=np.uint8).reshape(4, 2, 3),
        "train_labels": np.array([0, 1, 1, 0], dtype=np.int32),
        "test_inputs": np.zeros((2, 2, 3), dtype=np.uint8),
        "test_labels": np.array([1, 0], dtype=np.uint8),
    } | changes


def test_grey_images_get_a_channel_axis_and_labels_become_int64() -> None:
    dataset = Dataset(**arrays())
    assert dataset.train_inputs.shape == (4, 2, 3, 1)
    assert dataset.test_labels.dtype == np.int64
    assert dataset.input_shape == (1, 2, 3)
    assert dataset.outputs == 2
    assert dataset.train_class_counts == (2, 2)


@pytest.mark.parametrize("shape", [(3, 8, 3), (1, 28, 8), (3, 5, 4), (28, 28, 1), (6, 8, 16)])
def test_channels_that_are_last_are_not_taken_for_height(shape: tuple[int, ...]) -> None:
    height, width, channels = shape
    many = {
        f"{part}_inputs": np.ones((n, *shape), np.uint8) for part, n in (("train", 4), ("test", 2))
    }
    assert Dataset(**arrays(**many)).input_shape == (channels, height, width)


def test_vectors_keep_their_shape() -> None:
    inputs = {
        "train_inputs": np.ones((4, 5), np.float32),
        "test_inputs": np.ones((2, 5), np.float32),
    }
    dataset = Dataset(**arrays(**inputs))
    assert dataset.input_shape == (5,)
    assert dataset.train_inputs.shape == (4, 5)


def test_arrays_are_made_contiguous() -> None:
    channels_first = np.zeros((4, 3, 8, 6), np.uint8)
    dataset = Dataset(
        **arrays(
            train_inputs=channels_first.transpose(0, 2, 3, 1),
            test_inputs=np.zeros((2, 8, 6, 3), np.uint8),
            train_labels=np.arange(8)[::2] % 4 // 2,
        )
    )
    assert dataset.train_inputs.flags.c_contiguous
    assert dataset.train_labels.flags.c_contiguous
    assert dataset.input_shape == (3, 8, 6)


def test_facts_say_what_a_plan_needs() -> None:
    facts = Dataset(**arrays(train_labels=np.array([0, 1, 0, 0]))).facts("mine")
    assert (facts.name, facts.train_class_counts) == ("mine", (3, 1))
    assert (facts.test_count, facts.input_shape) == (2, (1, 2, 3))


NAN_IN_SAMPLE_2 = np.ones((4, 2), np.float32)
NAN_IN_SAMPLE_2[2, 1] = np.nan


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train_inputs": [[1]]}, "train_inputs must be a numpy array, got list"),
        (
            {"train_inputs": np.ones((4, 2))},
            r"train_inputs must be uint8 or float32, got float64.*a",
        ),
        ({"test_inputs": np.ones((2, 2), np.float16)}, "test_inputs must be uint8 or float32"),
        ({"train_inputs": np.ones(4, np.uint8)}, r"train_inputs must be .* got shape \(4,\)"),
        ({"train_inputs": np.ones((0, 2, 3), np.uint8)}, "train_inputs must be a non-empty"),
        ({"train_inputs": np.ones((4, 2, 2, 2, 2, 1), np.uint8)}, r"depth.* \(4, 2, 2, 2, 2, 1\)"),
        *(
            (
                {"train_inputs": np.ones(shape, np.uint8)},
                r"channels last, .* \.transpose\(0, 2, 3, 1",
            )
            for shape in ((4, 3, 8, 6), (4, 1, 28, 28), (4, 3, 5, 5))
        ),
        ({"train_inputs": NAN_IN_SAMPLE_2}, "train_inputs must be finite, .* in sample 2"),
        ({"train_labels": np.array(["a", "b"])}, "train_labels must be .* of <U1"),
        ({"train_labels": np.zeros((4, 1, 1))}, r"train_labels must be .* shape \(4, 1, 1\)"),
        ({"train_labels": np.array([0.0, 1, np.nan, 0])}, "train_labels must be finite, .* 2"),
        ({"train_labels": np.array([[0], [1], [2], [0]])}, "train_labels must be 0 or 1 .* 0 to 2"),
        (
            {"train_labels": np.array([0.0, 1, 1, 0])},
            r"test_labels must be for the task of train_labels, regression \[1\], got cla.* \[\]",
        ),
        ({"test_labels": np.array([], np.int64)}, "test_labels must be a non-empty"),
        ({"train_labels": np.array([0, 1])}, "must have the same length, got 4 and 2"),
        ({"train_labels": np.array([0, 0, 0, 0])}, "train_labels must hold at least 2 classes"),
        ({"train_labels": np.array([1, 2, 1, 2])}, "without gaps, got 2 .* from 1 to 2"),
        ({"train_labels": np.array([0, 3, 1, 0])}, "without gaps, got 3 .* from 0 to 3"),
        ({"train_labels": np.array([-1, 0, 1, 1])}, "without gaps, got 3 .* from -1 to 1"),
        ({"test_labels": np.array([0, 7])}, r"test_labels must occur .* got \[7\]"),
        ({"test_inputs": np.zeros((2, 3, 2), np.uint8)}, "test_inputs must have the sample shape"),
        ({"test_inputs": np.zeros((2, 2, 3), np.float32)}, "test_inputs must have the dtype"),
    ],
)
def test_what_breaks_a_rule_is_rejected_by_name(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Dataset(**arrays(**changes))


def test_the_digest_is_the_recorded_one_and_changes_with_the_contents() -> None:
    digest = Dataset(**arrays()).digest()
    assert digest == "18789fc0c29965e2"
    assert Dataset(**arrays()).digest() == digest
    assert Dataset(**arrays(test_labels=np.array([1, 1]))).digest() != digest
    as_columns = {
        "train_inputs": np.arange(24, dtype=np.uint8).reshape(4, 3, 2),
        "test_inputs": np.zeros((2, 3, 2), dtype=np.uint8),
    }
    assert Dataset(**arrays(**as_columns)).digest() != digest


def test_pickling_moves_all_arrays_out_of_band_and_loads_them_read_only() -> None:
    dataset = Dataset(**arrays(train_inputs=np.ones((4, 100, 100), np.uint8)[:, ::50, :3]))
    buffers: list[pickle.PickleBuffer] = []
    message = pickle.dumps(dataset, protocol=5, buffer_callback=buffers.append)
    assert len(buffers) == 4
    loaded = pickle.loads(message, buffers=[bytes(buffer.raw()) for buffer in buffers])
    assert loaded.digest() == dataset.digest()
    assert not loaded.train_inputs.flags.writeable
