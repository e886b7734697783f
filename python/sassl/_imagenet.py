"""Statistics of ImageNet's pixels, which networks are usually given normalized by."""

from __future__ import annotations

from typing import Final

IMAGENET_MEAN: Final = (0.485, 0.456, 0.406)
"""Mean of red, green and blue, for pixels from 0 to 1."""
IMAGENET_STD: Final = (0.229, 0.224, 0.225)
"""Standard deviations likewise."""
