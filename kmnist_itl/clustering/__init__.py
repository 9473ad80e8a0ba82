"""Clusters without labels: k-means here; network, handwriting and forms are loaded by who imports them."""

from kmnist_itl.clustering.kmeans import (
    CLUSTERS,
    clustering_accuracy,
    fit_kmeans,
    match_clusters,
    scores,
    scores_of_splits,
)

__all__ = ["CLUSTERS", "clustering_accuracy", "fit_kmeans", "match_clusters", "scores", "scores_of_splits"]
