"""Prints pyradiomics' features of an image within a mask as JSON; runs in a Python that has pyradiomics.

Arguments: image file, mask file (1 is the region), number of bins, ``2d`` or ``3d``.
"""

from __future__ import annotations

import json
import logging
import sys

from radiomics import featureextractor


def main() -> None:
    """Extract shape, first-order and GLCM features without any resampling."""
    image, mask, bins, dimensions = sys.argv[1:]
    logging.getLogger("radiomics").setLevel(logging.ERROR)
    extractor = featureextractor.RadiomicsFeatureExtractor(
        binCount=int(bins), force2D=dimensions == "2d", force2Ddimension=0
    )
    extractor.disableAllFeatures()
    for name in ("shape", "firstorder", "glcm"):
        extractor.enableFeatureClassByName(name)
    found = extractor.execute(image, mask)
    prefix = "original_"
    print(json.dumps({k.removeprefix(prefix): float(v) for k, v in found.items() if k.startswith(prefix)}))


if __name__ == "__main__":
    main()
