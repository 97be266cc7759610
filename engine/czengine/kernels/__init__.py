"""The inner loops, three times over: `native` (C++, the default), `compiled` (Numba), `reference` (NumPy).

`base` says what they do, `plain` is what they share, `loops` is for Numba, `pool` spreads a call over threads,
`load` picks one. Nothing heavy is imported before `load` is called, and Numba only where its kernels are picked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from czengine.config import KernelName
from czengine.errors import DeviceError
from czengine.kernels.base import Kernels

if TYPE_CHECKING:
    from czengine.kernels.pool import PooledKernels


def load(name: KernelName, *, threads: int) -> PooledKernels:
    """The kernels called `name`, on up to `threads` threads per call.

    Parameters
    ----------
    name : {"auto", "numba", "native", "reference"}
        "auto" is "native" where the package was installed with a C++ compiler, else "numba".
    threads : int
        At least 1, the caller's thread included.

    Raises
    ------
    DeviceError
        For "native" where the package was installed without a compiler.
    """
    from czengine.kernels.pool import PooledKernels

    return PooledKernels(_single(name), threads)


def _single(name: KernelName) -> Kernels:
    if name == "reference":
        from czengine.kernels.reference import ReferenceKernels

        return ReferenceKernels()
    if name == "numba":
        return _numba()
    try:
        from czengine.kernels.native import NativeKernels
    except ImportError as error:
        if name == "auto":
            return _numba()
        raise DeviceError(
            "the native kernels are not installed, because no C++ compiler was found when czengine was; "
            "install one and reinstall czengine, or leave CZENGINE_KERNELS at 'auto'"
        ) from error
    return NativeKernels()


def _numba() -> Kernels:
    from czengine.kernels.compiled import CompiledKernels

    return CompiledKernels()
