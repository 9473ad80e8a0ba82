"""Milliseconds per training step of each model: Keras' fit beside PyTorch and beside the products alone.

    make benchmark        or        python benchmarks/training.py [--rounds 9] [--grow]

The same model, loss, optimizer (Adam 1e-3) and batch on the same random images. Each contestant has a process
of its own; they take turns of one epoch, so that all meet the same machine. Printed are the medians over the
rounds and, in brackets, the median of the paired ratios of Keras to the contestant. The products are the
step's matrix products (of the CNN: convolutions) alone, in either library; no step can be faster than those
of its own. With bfloat16, Keras has the policy mixed_bfloat16 and PyTorch autocast.

--grow shows instead how a step of the autoencoder grows with the batch and with the number of codes,
--parts what its forward and backward pass and Adam's update take alone.
"""

import argparse
import itertools
import platform
import statistics
import time
import warnings

import contest
import numpy as np

SIGMA, WEIGHT = 1.0, 0.1
MLP = (1000, 500, 500, 10)
# The models and the steps of a turn.
MODELS = {
    "autoencoder": 54,
    "autoencoder with CSD": 54,
    "MLP": 54,
    "MLP, batch norm, dropout": 54,
    "CNN": 6,
}
CONTESTANTS = ("keras", "torch", "tensorflow products", "torch products")
BATCHES, CODES = (250, 500, 1_000, 2_000, 4_000, 8_000, 16_000), (2, 10, 30, 100, 300, 784)


def sizes(model, codes):
    """The widths of a model's dense layers, from input to output."""
    if model.startswith("autoencoder"):
        return (784, 800, 400, codes, 400, 800, 784)
    return (codes, *MLP) if model.startswith("MLP") else (576, 128, 64, 10)


# height and width of the CNN's convolutions, channels in and out
CONVOLUTIONS = ((28, 1, 32), (14, 32, 32), (7, 32, 64))


def arrays(given):
    """Random inputs [steps * batch, units] and labels."""
    rng, n = np.random.default_rng(0), given.steps * given.batch
    units = given.codes if given.model.startswith("MLP") else 784
    return rng.random((n, units), dtype=np.float32), rng.integers(10, size=n)


def keras_turn(given):
    """One epoch through Keras' fit, compiled as `kmnist_itl.training` does."""
    from kmnist_itl import models, priors, settings, training
    from kmnist_itl._tensorflow import keras

    warnings.filterwarnings("ignore", message=".*shuffle=True.*")
    if given.bfloat16:
        keras.config.set_dtype_policy("mixed_bfloat16")
    inputs, labels = arrays(given)
    pulled = given.model.endswith("CSD")
    csd = {"prior": priors.Gaussian(given.codes), "sigma": SIGMA, "weight": WEIGHT} if pulled else {}
    model = {
        "autoencoder": lambda: training.autoencoder(given.codes, **csd),
        "autoencoder with CSD": lambda: training.autoencoder(given.codes, **csd),
        "MLP": lambda: models.mlp_classifier(given.codes),
        "MLP, batch norm, dropout": lambda: models.mlp_classifier(given.codes, batch_norm=True, dropout=0.25),
        "CNN": models.cnn_classifier,
    }[given.model]()
    rebuilds = given.model.startswith("autoencoder")
    model.compile(
        keras.optimizers.Adam(settings.LEARNING_RATE),
        "mean_squared_error" if rebuilds else "sparse_categorical_crossentropy",
        jit_compile=(rebuilds or given.model == "MLP") and not given.bfloat16,
    )
    settings.BATCH_SIZE = given.batch  # in this process only
    pipeline = training.batches(inputs, None if rebuilds else labels, seed=0)
    timer = training.StepTimer()

    def turn():
        model.fit(pipeline, epochs=1, verbose=0, callbacks=[timer])
        return timer.epochs[-1] / given.steps

    return turn


def deterministic_keras_turn(given):
    """As `keras_turn`, as KMNIST_ITL_DETERMINISTIC=1 runs it."""
    from kmnist_itl._tensorflow import tf

    tf.config.experimental.enable_op_determinism()
    return keras_turn(given)


def gradients_turn(given):
    """Only the forward and backward pass, on one batch."""
    return _parts(given)[0]


def adam_turn(given):
    """Only Adam's update of all weights."""
    return _parts(given)[1]


def _parts(given):
    from kmnist_itl import models
    from kmnist_itl._tensorflow import keras, tf

    if given.bfloat16:
        keras.config.set_dtype_policy("mixed_bfloat16")
    model, images = models.stacked_autoencoder(given.codes), tf.constant(arrays(given)[0][: given.batch])
    weights, optimizer = model.trainable_variables, keras.optimizers.Adam()
    optimizer.build(weights)

    @tf.function(jit_compile=not given.bfloat16)
    def gradients():
        with tf.GradientTape() as tape:
            error = tf.cast(model(images, training=True), tf.float32) - images
            loss = tf.reduce_mean(tf.square(error))
        return tape.gradient(loss, weights)

    slopes = gradients()

    @tf.function(jit_compile=not given.bfloat16)
    def adam():
        optimizer.apply_gradients(zip(slopes, weights, strict=True))

    return products_turn(given, lambda: gradients()[0].numpy()), products_turn(given, adam)


def torch_turn(given):
    """The same in PyTorch: shuffled batches out of one tensor, forward, backward, Adam."""
    import torch
    from torch import nn

    def dense(widths, inner, last):
        pairs = list(itertools.pairwise(widths))
        for number, shape in enumerate(pairs, 1):
            yield nn.Linear(*shape)
            yield from inner(shape[1]) if number < len(pairs) else last

    def relu(_):
        return [nn.ReLU()]

    def normalized(units):
        return [nn.BatchNorm1d(units), nn.ReLU(), nn.Dropout(0.25)]

    def convolution(_, channels_in, channels_out):
        return [
            nn.Conv2d(channels_in, channels_out, 3, padding="same", bias=False),
            nn.BatchNorm2d(channels_out),
            nn.ReLU(),
            nn.MaxPool2d(2),
        ]

    widths = sizes(given.model, given.codes)
    rebuilds = given.model.startswith("autoencoder")
    if rebuilds:
        encoder = nn.Sequential(*dense(widths[:4], lambda _: [nn.Tanh()], []))
        decoder = nn.Sequential(*dense(widths[3:], relu, [nn.Sigmoid()]))
        model = nn.Sequential(encoder, decoder)
    elif given.model == "CNN":
        convolutions = itertools.chain.from_iterable(convolution(*each) for each in CONVOLUTIONS)
        model = nn.Sequential(
            nn.Unflatten(1, (1, 28, 28)),
            *convolutions,
            nn.Flatten(),
            *dense(widths, lambda _: [nn.ReLU(), nn.Dropout(0.25)], []),
        ).to(memory_format=torch.channels_last)
    else:
        model = nn.Sequential(*dense(widths, relu if given.model == "MLP" else normalized, []))
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model.to(device)
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)
    inputs, labels = (torch.from_numpy(array).to(device) for array in arrays(given))

    def log_potential(a, b):
        return torch.logsumexp(-(torch.cdist(a, b) ** 2).flatten() / (4 * SIGMA**2), 0)

    def loss_of(x, y):
        with torch.autocast(device, torch.bfloat16, enabled=given.bfloat16):
            if not rebuilds:
                return nn.functional.cross_entropy(model(x), y)
            codes = encoder(x)
            loss = nn.functional.mse_loss(decoder(codes).float(), x)
        if given.model.endswith("CSD"):
            codes, prior = codes.float(), torch.randn(codes.shape, device=device)
            csd = log_potential(codes, codes) + log_potential(prior, prior) - 2 * log_potential(codes, prior)
            loss = loss + WEIGHT * csd
        return loss

    def turn():
        started = time.perf_counter()
        for indices in torch.randperm(len(inputs), device=device).split(given.batch):
            loss = loss_of(inputs[indices], labels[indices])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        if device == "cuda":
            torch.cuda.synchronize()
        return (time.perf_counter() - started) / given.steps

    return turn


def products_turn(given, step):
    """Times `step`, which does a step's products once."""

    def turn():
        started = time.perf_counter()
        for _ in range(given.steps):
            step()
        return (time.perf_counter() - started) / given.steps

    return turn


def shapes(given):
    """(input, weights, output) of each layer, the first one first."""
    if given.model == "CNN":
        for side, n, m in CONVOLUTIONS:
            yield (given.batch, side, side, n), (3, 3, n, m), (given.batch, side, side, m)
    for n, m in itertools.pairwise(sizes(given.model, given.codes)):
        yield (given.batch, n), (n, m), (given.batch, m)


def tensorflow_products_turn(given):
    """Forward, gradient of the weights, gradient of the inputs: of the first layer nobody asks for it."""
    from kmnist_itl._tensorflow import tf

    dtype = "bfloat16" if given.bfloat16 else "float32"
    layers = [[tf.cast(tf.random.uniform(shape), dtype) for shape in three] for three in shapes(given)]

    @tf.function
    def products():
        last = tf.constant(0.0)
        for number, (x, w, g) in enumerate(layers):
            if len(x.shape) == 2:
                done = [x @ w, tf.matmul(x, g, transpose_a=True)]
                done += [tf.matmul(g, w, transpose_b=True)] if number else []
            else:
                how = {"strides": [1, 1, 1, 1], "padding": "SAME"}
                done = [
                    tf.nn.conv2d(x, w, **how),
                    tf.raw_ops.Conv2DBackpropFilter(input=x, filter_sizes=w.shape, out_backprop=g, **how),
                ]
                if number:
                    done.append(
                        tf.raw_ops.Conv2DBackpropInput(input_sizes=x.shape, filter=w, out_backprop=g, **how)
                    )
            last += sum(tf.cast(tf.reshape(each, [-1])[0], "float32") for each in done)
        return last

    return products_turn(given, lambda: products().numpy())


def torch_products_turn(given):
    """The same in PyTorch."""
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    dtype = torch.bfloat16 if given.bfloat16 else torch.float32
    layers = []
    for three in shapes(given):
        x, w, g = (torch.rand(shape, device=device).to(dtype) for shape in three)
        if x.ndim == 4:
            x, w, g = x.permute(0, 3, 1, 2), w.permute(3, 2, 0, 1).contiguous(), g.permute(0, 3, 1, 2)
        layers.append((x, w, g))

    def step():
        for number, (x, w, g) in enumerate(layers):
            if x.ndim == 2:
                torch.mm(x, w)
                torch.mm(x.T, g)
                if number:
                    torch.mm(g, w.T)
            else:
                torch.nn.functional.conv2d(x, w, padding=1)
                torch.nn.grad.conv2d_weight(x, w.shape, g, padding=1)
                if number:
                    torch.nn.grad.conv2d_input(x.shape, w, g, padding=1)
        if device == "cuda":
            torch.cuda.synchronize()

    return products_turn(given, step)


def compare(contestants, rounds, model, *, batch=1_000, codes=30, bfloat16=False, steps=None):
    """Seconds a step of each contestant in each round, as a dict of lists."""
    steps = steps or max(1, MODELS[model] * 1_000 // batch)
    arguments = ["--model", model, "--batch", batch, "--codes", codes, "--steps", steps]
    return contest.take_turns(__file__, contestants, arguments + ["--bfloat16"] * bfloat16, rounds)


def row(name, taken):
    """A line of a table: Keras' milliseconds, those of the others and Keras' ratio to them."""
    cells = [f"{1e3 * statistics.median(taken['keras']):.1f}"]
    for other in list(taken)[1:]:
        ratio = contest.ratio(taken["keras"], taken[other])
        cells.append(f"{1e3 * statistics.median(taken[other]):.1f} ({ratio:.2f})")
    return f"| {name} | {' | '.join(cells)} |"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--grow", action="store_true")
    parser.add_argument("--parts", action="store_true")
    for name, kind in (("worker", str), ("model", str), ("batch", int), ("codes", int), ("steps", int)):
        parser.add_argument(f"--{name}", type=kind, help=argparse.SUPPRESS)
    parser.add_argument("--bfloat16", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.worker:
        return contest.be_worker(globals()[f"{given.worker.replace(' ', '_')}_turn"](given))

    # Not above: a worker has TensorFlow or PyTorch, both in one may clash.
    from kmnist_itl.reproduction import cost

    print(f"{cost.device_name()}, Python {platform.python_version()}, {given.rounds} rounds\n")
    if given.grow:
        print("| batch | codes | ms a step | microseconds an image |\n|---|---|---|---|")
        for batch, codes in [(batch, 30) for batch in BATCHES] + [(1_000, codes) for codes in CODES]:
            taken = compare(["keras"], given.rounds, "autoencoder", batch=batch, codes=codes)["keras"]
            ms = 1e3 * statistics.median(taken)
            print(f"| {batch} | {codes} | {ms:.1f} | {1e3 * ms / batch:.1f} |", flush=True)
        return
    if given.parts:
        names = ("keras", "gradients", "adam", "tensorflow products")
        print(f"| ms, the autoencoder | {' | '.join(names)} |\n|{'---|' * (1 + len(names))}")
        for bfloat16 in (False, True):
            taken = compare(names, given.rounds, "autoencoder", bfloat16=bfloat16)
            cells = [f"{1e3 * statistics.median(taken[name]):.1f}" for name in names]
            print(f"| {'bfloat16' if bfloat16 else 'float32'} | {' | '.join(cells)} |", flush=True)
        return
    print(f"| ms a step, batch 1,000 | {' | '.join(CONTESTANTS)} |\n|{'---|' * (1 + len(CONTESTANTS))}")
    for model in MODELS:
        codes = 3 if model.endswith("CSD") else 30
        print(row(model, compare(CONTESTANTS, given.rounds, model, codes=codes)), flush=True)
    taken = compare(CONTESTANTS, given.rounds, "autoencoder", bfloat16=True)
    print(row("autoencoder, bfloat16", taken), flush=True)


if __name__ == "__main__":
    main()
