"""Builds the ring's C library, the one source that sassld uses too, and puts it beside the package.

It is not an extension module: nothing in it knows Python, and `sassl` calls it through ctypes. So one build serves
every version of Python 3, and needs a C compiler but no Python headers.
"""

from setuptools import Extension, setup

SOURCES = ["aside", "consumer", "crc32c", "faults", "observer", "producer", "segment", "settings", "system"]

setup(
    ext_modules=[
        Extension(
            "sassl._ring",
            sources=[f"ring/{name}.c" for name in SOURCES],
            include_dirs=["ring/include"],
            depends=["ring/internal.h", "ring/include/sassl_ring.h"],
            extra_compile_args=["-std=gnu17", "-O3", "-Wall", "-Wextra"],
            libraries=["pthread"],
            py_limited_api=True,
        )
    ],
    options={"bdist_wheel": {"py_limited_api": "cp310"}},
)
