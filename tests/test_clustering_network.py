import numpy as np
import pytest

from kmnist_itl import models, training
from kmnist_itl._tensorflow import keras, tf


def test_each_head_gives_probabilities():
    network = models.clustering_network((10, 4))
    one, other = network(np.random.default_rng(0).random((3, 784), dtype=np.float32))
    assert one.shape == (3, 10) and other.shape == (3, 4)
    for probabilities in (one, other):
        np.testing.assert_allclose(np.sum(probabilities, axis=1), 1, rtol=1e-5)
    assert network.get_layer("features").output.shape == (None, 3 * 3 * 128)


@pytest.mark.parametrize("bad", [(), None, 10, (10, 1), (2.5,)])
def test_bad_heads_are_refused(bad):
    with pytest.raises(ValueError, match="heads"):
        models.clustering_network(bad)


def loss_of(*views):
    layer = training.MutualInformation()
    layer([tf.constant(np.concatenate(views), tf.float32)])
    return float(layer.losses[0])


def test_balanced_and_certain_clusters_of_pairs_have_the_most_information(rng):
    certain = np.eye(10)[np.arange(100) % 10]
    assert loss_of(certain, certain) == pytest.approx(-np.log(10), rel=1e-5)
    other = rng.dirichlet(np.ones(10), 100)
    assert loss_of(certain, other) > -np.log(10)
    assert loss_of(certain, rng.permutation(certain)) > -1
    # One cluster for all, or the same doubt for all, says nothing.
    assert loss_of(np.eye(10)[np.zeros(100, int)], np.eye(10)[np.zeros(100, int)]) == pytest.approx(
        0, abs=1e-6
    )
    assert loss_of(np.full((100, 10), 0.1), np.full((100, 10), 0.1)) == pytest.approx(0, abs=1e-6)


def test_pairs_are_of_an_image_and_its_neighbour():
    images = np.arange(7, dtype=np.float32)[:, None] * np.ones(784, np.float32)
    near = (np.arange(7)[:, None] + [1, 2]) % 7
    pairs = training.NeighbourPairs(images, near, batch=3, seed=0)
    assert len(pairs) == 2
    seen = []
    for index in range(2):
        (batch,) = pairs[index]
        assert batch.shape == (6, 784)
        first, second = batch[:3, 0], batch[3:, 0]
        assert set((second - first) % 7) <= {1, 2}
        seen += first.tolist()
    assert len(set(seen)) == 6
    order = pairs.order
    pairs.on_epoch_end()
    assert not np.array_equal(order, pairs.order)


def test_a_short_training_raises_the_information_and_is_decided_by_its_seed(digits):
    small = training.settings.Profile("tiny", train_images=None, epochs=3)
    runs = [
        training.train_clustering(digits.train.images, heads=(10, 20), profile=small, seed=1)
        for _ in range(2)
    ]
    one, other = (run.history for run in runs)
    assert one == other and {name: len(values) for name, values in one.items()} == {
        "loss": 3,
        "in_use": 3,
        "form_loss": 3,
    }
    assert all(0 < share <= 1 for share in one["in_use"])
    assert one["loss"][-1] < one["loss"][0] < 0
    assert 0 < one["form_loss"][-1] < one["form_loss"][0]
    run = runs[0]
    assert run.epochs == run.best_epoch == 6 and run.seconds_per_step > 0
    features = training.features(run, digits.test.images)
    assert features.shape == (len(digits.test), 1152) and features.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(features, axis=1), 1, rtol=1e-5)
    assert isinstance(run.model, keras.Model) and len(run.model.outputs) == 2


@pytest.mark.parametrize(
    ("name", "bad"),
    [
        ("epochs", 0),
        ("form_epochs", -1),
        ("neighbours", -1),
        ("neighbours", 5_000),
        ("information", "mutual"),
        ("heads", ()),
        ("seed", -1),
    ],
)
def test_a_bad_argument_is_refused_before_training(name, bad, digits):
    with pytest.raises(ValueError, match=name):
        training.train_clustering(digits.train.images, **{name: bad})


@pytest.mark.parametrize(
    ("bad", "error", "message"),
    [
        (np.zeros((20, 784), np.uint8), TypeError, "got dtype uint8. Divide bytes by 255"),
        (np.zeros((20, 28, 28), np.float32), ValueError, r"got shape \(20, 28, 28\). Reshape"),
        (np.zeros((1, 784), np.float32), ValueError, "n >= 2"),
        (np.full((20, 784), np.nan, np.float32), ValueError, "finite"),
    ],
)
def test_bad_images_are_refused(bad, error, message):
    with pytest.raises(error, match=message):
        training.train_clustering(bad)
