"""Models: all behind the ``Scorer`` protocol of ``otmel.models.base``."""
