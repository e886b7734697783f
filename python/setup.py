"""Builds the ring's C library, the one source that sassld uses too, and puts it beside the package.

It is not an extension module: nothing in it knows Python, and `sassl` calls it through ctypes. So one build serves
every version of Python 3, and needs a C compiler but no Python headers.

`make wheel` puts the programs into `sassl_programs` before it runs this, and the wheel then brings them.
"""

from pathlib import Path
from typing import Any

from setuptools import Extension, setup
from setuptools.command.bdist_wheel import bdist_wheel

#: All of the library: what the Makefile builds `libsasslring.so` from, and with which flags.
RING = Path("ring")


class AnyPythonWheel(bdist_wheel):
    """A wheel of one machine, for every Python."""

    def get_tag(self) -> tuple[str, str, str]:
        return ("py3", "none", super().get_tag()[2])


SCRIPTS = ["sassl-ray = sassl.ray.command:main"]


def brought() -> dict[str, Any]:
    """What a wheel with the programs has besides."""
    if not Path("sassl_programs/lib").is_dir():
        return {"packages": ["sassl", "sassl.ray"], "entry_points": {"console_scripts": SCRIPTS}}
    programs = ["sassld", "sasslctl"]
    return {
        "packages": ["sassl", "sassl.ray", "sassl_programs"],
        "data_files": [
            (str(folder.relative_to("data")), [str(file) for file in folder.iterdir() if file.is_file()])
            for folder in Path("data").rglob("*/")
            if folder.is_dir()
        ],
        "entry_points": {"console_scripts": [*SCRIPTS, *(f"{name} = sassl_programs:{name}" for name in programs)]},
    }


setup(
    ext_modules=[
        Extension(
            "sassl._ring",
            sources=sorted(map(str, RING.glob("*.c"))),
            include_dirs=["ring/include"],
            depends=[*map(str, RING.rglob("*.h")), "ring/compile_flags.txt"],
            extra_compile_args=RING.joinpath("compile_flags.txt").read_text().split(),
            py_limited_api=True,
        )
    ],
    cmdclass={"bdist_wheel": AnyPythonWheel},
    **brought(),
)
