from kmnist_itl import progress, training


def test_a_sweep_says_which_run_of_how_many(digits, tmp_path, monkeypatch):
    shown = tmp_path / "shown"
    monkeypatch.setenv("KMNIST_ITL_PROGRESS", str(shown))
    pairs = [(2, 0), (3, 0), (2, 1), (3, 1)]
    for latent_dim, seed in progress.numbered(pairs):
        training.train_autoencoder(digits, latent_dim, profile="smoke", seed=seed)
    last = [line for line in shown.read_text().splitlines() if "left" not in line]
    starts = [line.partition(":")[0] for line in last]
    assert starts == [f"[{i}/4] autoencoder, {k} units, seed {s}" for i, (k, s) in enumerate(pairs, 1)]

    training.train_autoencoder(digits, 2, profile="smoke")
    assert shown.read_text().splitlines()[-1].startswith("autoencoder, 2 units, seed 0: found again")
