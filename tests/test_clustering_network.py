import numpy as np
import pytest

from kmnist_itl._tensorflow import keras, tf
from kmnist_itl.clustering import network
from kmnist_itl.settings import Profile


def test_each_head_gives_probabilities():
    model = network.clustering_network((10, 4))
    heads = model(np.random.default_rng(0).random((3, 784), dtype=np.float32))
    assert [head.shape for head in heads] == [(3, 10), (3, 4)]
    for probabilities in heads:
        np.testing.assert_allclose(np.sum(probabilities, axis=1), 1, rtol=1e-5)
    assert model.get_layer("features").output.shape == (None, 3 * 3 * 128)


@pytest.mark.parametrize("bad", [(), 10, (10, 1)])
def test_bad_heads_are_refused(bad):
    with pytest.raises(ValueError, match="heads must be"):
        network.clustering_network(bad)


def loss_of(*views, information="cauchy_schwarz"):
    layer = network.MutualInformation(information)
    layer([tf.constant(np.concatenate(views), tf.float32)])
    return float(layer.losses[0])


def test_balanced_and_certain_clusters_of_pairs_have_the_most_information(rng):
    certain = np.eye(10)[np.arange(100) % 10]
    assert loss_of(certain, certain) == pytest.approx(-np.log(10), rel=1e-5)
    assert loss_of(certain, rng.dirichlet(np.ones(10), 100)) > -np.log(10)
    assert loss_of(certain, rng.permutation(certain)) > -1
    # One cluster for all, or the same doubt for all, says nothing.
    for views in (np.eye(10)[np.zeros(100, int)], np.full((100, 10), 0.1)):
        assert loss_of(views, views) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("information", network.INFORMATIONS)
def test_the_loss_is_the_information_of_the_table_of_both_views(information, rng):
    first, second = rng.dirichlet(np.ones(4), 50), rng.dirichlet(np.ones(4), 50)
    joint = first.T @ second
    joint = (joint + joint.T) / (2 * joint.sum())
    product = np.outer(joint.sum(1), joint.sum(1))
    expected = {
        "cauchy_schwarz": np.log(np.sum(joint**2) * np.sum(product**2) / np.sum(joint * product) ** 2),
        "euclidean": np.sum((joint - product) ** 2),
        "shannon": np.sum(joint * np.log(joint / product)),
    }
    assert loss_of(first, second, information=information) == pytest.approx(-expected[information], abs=1e-6)


def test_an_empty_batch_adds_nothing_also_to_the_share_of_clusters_in_use():
    layer = network.MutualInformation()
    layer([tf.zeros((0, 4))])
    assert float(layer.losses[0]) == pytest.approx(0, abs=1e-6)
    half = tf.constant(np.eye(4)[np.arange(40) % 2], tf.float32)  # two of four
    layer([half, tf.fill((40, 5), 0.2)], training=True)  # five of five
    assert layer.losses and float(layer.in_use.result()) == pytest.approx((0.5 + 1) / 2)


@pytest.mark.parametrize(
    ("information", "policy"),
    [("cauchy_schwarz", "mixed_float16"), ("shannon", "mixed_bfloat16"), ("euclidean", "float64")],
)
def test_another_policy_sees_the_same_information(information, policy, rng):
    views = rng.dirichlet(np.full(4, 0.1), 5_000)
    layer = network.MutualInformation(information, dtype=policy)
    layer([tf.cast(views, layer.compute_dtype)])
    expected = loss_of(*np.split(views, 2), information=information)
    assert float(layer.losses[0]) == pytest.approx(expected, rel=0.02, abs=1e-5)


@pytest.mark.parametrize(("heads", "given"), [(tf.ones((4, 3)), "EagerTensor"), ([], "list")])
def test_what_is_no_list_is_refused(heads, given):
    with pytest.raises(ValueError, match=rf"a list of each head's probabilities, .*; got {given}"):
        network.MutualInformation()(heads)


@pytest.mark.parametrize("policy", ["float32", "float64"])
def test_an_odd_number_of_images_is_predicted_but_has_no_loss(policy):
    inputs = keras.Input((4,))
    head = keras.layers.Dense(3, "softmax", dtype=policy)(inputs)
    (head,) = network.MutualInformation(dtype=policy)([head])
    model = keras.Model(inputs, keras.layers.Dense(2)(head))
    model.compile("sgd", "mean_squared_error", jit_compile=False)  # beside a loss in floatx
    assert model.predict(np.ones((5, 4)), verbose=0).shape == model(np.ones((5, 4))).shape == (5, 2)
    with pytest.raises(ValueError, match=r"a list of each head's probabilities, .*; got \[\(5, 3\)\]"):
        model(np.ones((5, 4))) is not None and model.losses
    losses = model.fit(np.ones((8, 4)), np.ones((8, 2)), verbose=0).history["loss"]
    assert np.isfinite(losses).all()


def test_what_a_graph_would_not_see_is_fixed():
    with pytest.raises(AttributeError, match=r"information of .* is fixed: make another layer"):
        network.MutualInformation().information = "shannon"


def test_a_saved_layer_comes_back(tmp_path, rng):
    inputs = [keras.Input((4,)), keras.Input((3,))]
    keras.Model(inputs, network.MutualInformation("shannon")(inputs)).save(tmp_path / "model.keras")
    layer = keras.models.load_model(tmp_path / "model.keras").layers[-1]
    assert isinstance(layer, network.MutualInformation) and layer.information == "shannon"


@pytest.mark.parametrize("policy", ["mixed_float16", "float64"])
def test_a_training_runs_under_another_policy(policy, digits):
    options = {"neighbours": 3, "epochs": 1, "form_epochs": 1, "heads": (5,)}
    keras.config.set_dtype_policy(policy)
    keras.config.set_floatx("float64" if policy == "float64" else "float32")
    try:
        run = network.train_clustering(digits.train.images[:60], **options)
        features = network.features(run, digits.train.images[:2])
    finally:
        keras.config.set_dtype_policy("float32")
        keras.config.set_floatx("float32")
    assert -np.log(5) <= run.history["loss"][0] < 0 < run.history["form_loss"][0] < 10
    assert features.dtype == np.float32 and features.shape == (2, 1152)


def test_so_few_images_that_they_have_fewer_neighbours_and_a_callback_that_stops(digits):
    stop = keras.callbacks.LambdaCallback(on_epoch_end=lambda *_: setattr(stop.model, "stop_training", True))
    options = {"neighbours": 1, "epochs": 4, "form_epochs": 2, "heads": (2,), "callbacks": stop}
    images = digits.train.images[:8]  # each has seven neighbours, and the second round asks for ten
    run = network.train_clustering(images, **options)
    assert run.epochs == run.best_epoch == 2  # those that ran
    assert len(run.history["loss"]) == len(run.history["form_loss"]) == 1
    assert network.features(run, images[:1]).shape == (1, 1152)


def test_pairs_are_of_an_image_and_its_neighbour():
    images = np.arange(7, dtype=np.float32)[:, None] * np.ones(784, np.float32)
    near = (np.arange(7)[:, None] + [1, 2]) % 7
    pairs = network.NeighbourPairs(images, near, batch=3, seed=0)
    batches = np.stack([pairs[index][0] for index in range(len(pairs))])
    assert batches.shape == (2, 6, 784)
    first, second = batches[:, :3, 0], batches[:, 3:, 0]
    assert set((second - first).ravel() % 7) <= {1, 2} and len(np.unique(first)) == 6
    order = pairs.order
    pairs.on_epoch_end()
    assert not np.array_equal(order, pairs.order)


def test_a_short_training_raises_the_information_and_is_decided_by_its_seed(digits):
    options = {"heads": (10, 20), "epochs": 3, "form_epochs": 2, "batch": 60}
    run, again = (network.train_clustering(digits.train.images[:120], seed=1, **options) for _ in range(2))
    history = run.history
    assert history == again.history
    assert {name: len(values) for name, values in history.items()} == {"loss": 3, "in_use": 3, "form_loss": 2}
    assert all(0 < share <= 1 for share in history["in_use"])
    assert history["loss"][-1] < history["loss"][0] < 0
    assert 0 < history["form_loss"][-1] < history["form_loss"][0]
    assert run.epochs == run.best_epoch == 5 and run.seconds_per_step > 0
    features = network.features(run, digits.test.images)
    assert features.shape == (len(digits.test), 1152) and features.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(features, axis=1), 1, rtol=1e-5)
    assert len(run.model.outputs) == 2


@pytest.mark.parametrize(
    ("most", "rounds"), [(1, (1, 0)), (2, (1, 1)), (5, (3, 2)), (9, (6, 3)), (10, (7, 3)), (100, (7, 3))]
)
def test_both_rounds_together_take_at_most_a_profiles_epochs(most, rounds):
    assert network.epochs_of_rounds(7, 3, Profile("short", train_images=100, epochs=most)) == rounds


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        *[({name: 0}, ValueError, f"{name} must be") for name in ("epochs", "batch")],
        *[({name: -1}, ValueError, f"{name} must be") for name in ("form_epochs", "neighbours", "seed")],
        ({"neighbours": 5_000}, ValueError, "neighbours must be"),
        ({"information": "mutual"}, ValueError, "information must be one of"),
        ({"handwriting": {"rotation": -1}}, ValueError, "rotation must be"),
        ({"handwriting": {"turn": 1}}, ValueError, "turn"),
        ({"handwriting": 0.5}, TypeError, "must be a mapping, not float"),
        ({"handwriting": {"seed": 3}}, TypeError, "multiple values for keyword argument 'seed'"),
        ({"callbacks": [print]}, TypeError, "callbacks must be a Keras callback or a list of them"),
    ],
)
def test_a_bad_argument_is_refused_before_training(changes, error, message, digits):
    with pytest.raises(error, match=message):
        network.train_clustering(digits.train.images, **changes)


def test_batch_and_handwriting_reach_the_training(digits):
    images, options = digits.train.images[:60], {"heads": (5,), "epochs": 1, "form_epochs": 0}
    changes = ({}, {"batch": 20}, {"handwriting": {"rotation": 90}})
    runs = [network.train_clustering(images, **options, **change) for change in changes]
    assert len({run.history["loss"][0] for run in runs}) == 3


def test_one_image_or_equal_ones_are_refused():
    with pytest.raises(ValueError, match="n >= 2"):
        network.train_clustering(np.zeros((1, 784)))
    with pytest.raises(ValueError, match="images must have at least 2 different rows; got 1"):
        network.train_clustering(np.zeros((20, 784)))
