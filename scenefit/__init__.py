"""Scenefit: credit products matched to the subgroups of vertical scenes.

The ground under all rooms: `contracts` (what the data is), `runtime` (where it runs), `sources` (data in).
"""

__version__ = "0.1.0"
