"""From a trained run and a graph to links, and to the reasons for them."""

from otmel.linking.explanation import Explanation
from otmel.linking.link import Candidate, Link
from otmel.linking.linker import Linker

__all__ = ["Candidate", "Explanation", "Link", "Linker"]
