"""How the embedded model is made: views, two trainers, export and measurement. See ../README.md."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
"""The checkout, from which alone this is run."""

# The reader of published weights and the pictures that the project draws are at home in folders of their own.
sys.path[:0] = [str(ROOT / "packaging" / "ModelImport"), str(ROOT / "Tests" / "SamplePictures")]
