"""Ranks, measures, slices and comparisons of evaluated models."""
