"""Clusters without labels: k-means here; network, handwriting and forms are loaded by who imports them."""

# ruff: noqa: F401
from kmnist_itl.clustering.kmeans import CLUSTERS, clustering_accuracy, fit_kmeans, match_clusters, scores
