"""Storage by address: what lies at ``s3://…`` or elsewhere is read through checked copies, and written by commits.

``local`` turns a place into a path to read from, ``changing`` into a folder to change, ``written`` into a file to
write. Of a path on this machine they make nothing else; of an address, a copy in the folder that ``OTMEL_CACHE`` names.
"""

from otmel.remote.layouts import RUN, TREE, Layout, Tree
from otmel.remote.opening import local
from otmel.remote.places import Place, Uri, is_remote, placed
from otmel.remote.writing import changing, written

__all__ = ["RUN", "TREE", "Layout", "Place", "Tree", "Uri", "changing", "is_remote", "local", "placed", "written"]
