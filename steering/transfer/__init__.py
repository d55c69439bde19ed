"""Carrying a vector from a parent to a child: layer maps, width maps, and alignments fitted on paired rows."""

from steering.transfer.alignment import align
from steering.transfer.all_pairs import carry_everywhere, measured_r2, paired_sample
from steering.transfer.anchors import BUNDLED_ANCHORS, ROWS_PER_DIMENSION
from steering.transfer.carry import carry, combine, describe, transfer
from steering.transfer.layer_maps import LAYER_MAPS, SEVERAL, best_path, named_pair, pair_name
from steering.transfer.paired_rows import FIRST_POSITION
from steering.transfer.width_maps import CANONICAL, WIDTH_MAPS

__all__ = [
    "BUNDLED_ANCHORS",
    "CANONICAL",
    "FIRST_POSITION",
    "LAYER_MAPS",
    "ROWS_PER_DIMENSION",
    "SEVERAL",
    "WIDTH_MAPS",
    "align",
    "best_path",
    "carry",
    "carry_everywhere",
    "combine",
    "describe",
    "measured_r2",
    "named_pair",
    "pair_name",
    "paired_sample",
    "transfer",
]
