"""The apparatus: what makes a reproduction of the paper out of the helper module beside it.

Arrows go one way: this package imports kmnist_itl's modules, and they never import this one.
"""
