import pytest

from superconv_ray.data.catalog import DATASETS, DatasetFacts


@pytest.mark.parametrize(
    ("name", "classes", "train", "test", "shape"),
    [
        ("digits", 10, 1_437, 360, (1, 8, 8)),
        ("mnist", 10, 60_000, 10_000, (1, 28, 28)),
        ("fashion_mnist", 10, 60_000, 10_000, (1, 28, 28)),
        ("cifar10", 10, 50_000, 10_000, (3, 32, 32)),
        ("cifar100", 100, 50_000, 10_000, (3, 32, 32)),
    ],
)
def test_sizes_are_the_published_ones(
    name: str, classes: int, train: int, test: int, shape: tuple[int, ...]
) -> None:
    facts = DATASETS[name]
    assert facts.name == name
    assert facts.outputs == classes
    assert facts.train_count == train
    assert facts.test_count == test
    assert facts.input_shape == shape


def test_the_catalog_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        DATASETS["mine"] = DatasetFacts("mine", (1, 1), 1, (1,))  # type: ignore[index]
