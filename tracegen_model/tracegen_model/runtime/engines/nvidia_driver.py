"""Whether NVIDIA's driver shows a GPU to this process; asked of the driver itself, so no package is needed."""

from __future__ import annotations

import ctypes

DRIVER_LIBRARY = "libcuda.so.1"
"""The driver's library; it comes with the driver and with nothing else."""


def why_no_gpu() -> str | None:
    """What is missing for a GPU to be used, with what to do about it; None where there is one."""
    try:
        driver = ctypes.CDLL(DRIVER_LIBRARY)
    except OSError:
        return f"needs an NVIDIA GPU: the driver's {DRIVER_LIBRARY} was not found; install NVIDIA's driver"
    code = driver.cuInit(0)
    if code:
        return f"needs an NVIDIA GPU: the driver found none it can use (cuInit: error {code}); see nvidia-smi"
    count = ctypes.c_int()
    code = driver.cuDeviceGetCount(ctypes.byref(count))
    if code or not count.value:
        return (
            "needs an NVIDIA GPU: the driver shows none to this process; see nvidia-smi, CUDA_VISIBLE_DEVICES"
        )
    return None
