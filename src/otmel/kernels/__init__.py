"""Scoring kernels: one definition of a late term, and several ways to compute it fast."""
