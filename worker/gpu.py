"""The GPU of a worker, as its driver describes it.

It is read through NVML, the library of nvidia-smi, which needs no CUDA: the main process of a worker must not use CUDA,
because CUDA does not work after a fork.
"""

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import structlog

from api.workers.gpu import Gpu

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Installed:
    """A GPU of the machine."""

    name: str
    uuid: str
    parts: Sequence[str] | None = None
    """UUIDs of its MIG devices, on which it computes in place of the whole; None if MIG is off."""

    @property
    def devices(self) -> Sequence[str]:
        """UUIDs of the devices that it computes on."""
        return (self.uuid,) if self.parts is None else self.parts


def visible_devices(
    installed: Sequence[Installed], visible: str | None = None, *, order: str | None = None
) -> list[str]:
    """Return the UUIDs of the devices that CUDA numbers 0, 1 and so on.

    The rules are those of CUDA's programming guide ("CUDA environment variables") and of the user guide of MIG ("Device
    enumeration"). Of several kinds of GPU, CUDA takes the fastest first, which cannot be told from here: none is
    returned then for a number, unless `order` says that CUDA goes by the bus.

    Args:
        installed: The GPUs of the machine in the order of their places on the bus, as NVML and nvidia-smi number them.
        visible: The variable `CUDA_VISIBLE_DEVICES`, if it is set: numbers, or UUIDs or beginnings of them.
        order: The variable `CUDA_DEVICE_ORDER`, if it is set.
    """
    numbered = order == "PCI_BUS_ID" or len({gpu.name for gpu in installed}) <= 1
    if visible is None:
        found = [device for gpu in installed for device in gpu.devices] if numbered else []
    else:
        found = []
        for entry in visible.split(","):
            device = _device(entry.strip(), installed, numbered=numbered)
            if device is None:
                break  # CUDA ignores this and what follows
            found.append(device)
    if len(set(found)) < len(found):
        return []
    parts = {part for gpu in installed for part in gpu.parts or ()}
    # A process sees no more than one MIG device, and no whole GPU besides.
    return next(([device] for device in found if device in parts), found)


def _device(entry: str, installed: Sequence[Installed], *, numbered: bool) -> str | None:
    """Return the UUID of the device that an entry of `CUDA_VISIBLE_DEVICES` names."""
    if entry.isdecimal():
        gpus = [gpu for number, gpu in enumerate(installed) if numbered and number == int(entry)]
    elif entry.startswith("GPU-"):
        gpus = [gpu for gpu in installed if gpu.uuid.startswith(entry)]
    elif entry.startswith("MIG-"):
        parts = [part for gpu in installed for part in gpu.parts or () if part.startswith(entry)]
        return parts[0] if len(parts) == 1 else None
    else:
        return None
    return gpus[0].devices[0] if len(gpus) == 1 and gpus[0].devices else None


class GpuReader:
    """Reads one GPU again and again. NVML stays open, because opening it may take seconds."""

    def __init__(self, device: str) -> None:
        """Read `device`: `auto`, which is the first GPU, `cuda` or `cuda:N`."""
        self._device = device
        self._number = int(device.partition(":")[2] or 0)
        self._handle: Any = None
        self._failing = False

    def read(self) -> Gpu | None:
        """Return what the driver says now, or None if it says nothing; the first failure in a row is logged."""
        import pynvml

        try:
            if self._handle is None:
                self._handle = self._open()
            memory = pynvml.nvmlDeviceGetMemoryInfo(self._handle, version=pynvml.nvmlMemory_v2)
            gpu = Gpu(
                name=pynvml.nvmlDeviceGetName(self._handle),
                memory_used_bytes=int(memory.used),
                memory_total_bytes=int(memory.total),
                driver=pynvml.nvmlSystemGetDriverVersion(),
            )
        except (pynvml.NVMLError, LookupError) as error:
            self._close()
            if not self._failing:
                log.warning("gpu.unreadable", device=self._device, error=str(error))
            self._failing = True
            return None
        self._failing = False
        return gpu

    def _open(self) -> Any:
        """Return NVML's handle of the device.

        Raises:
            LookupError: None can be told to be the one that CUDA gives this number.
            NVMLError: NVML failed.
        """
        import pynvml

        pynvml.nvmlInit()
        visible, order = os.environ.get("CUDA_VISIBLE_DEVICES"), os.environ.get("CUDA_DEVICE_ORDER")
        installed = installed_gpus()
        devices = visible_devices(installed, visible, order=order)
        if self._number >= len(devices):
            names = ", ".join(gpu.name for gpu in installed) or "no GPU"
            raise LookupError(
                f"NVML finds {names}; with CUDA_VISIBLE_DEVICES={visible} and CUDA_DEVICE_ORDER={order}, "
                f"which of them is CUDA's number {self._number} is not known"
            )
        return pynvml.nvmlDeviceGetHandleByUUID(devices[self._number])

    def _close(self) -> None:
        import pynvml

        self._handle = None
        with suppress(pynvml.NVMLError):  # it may not be open, or be what failed
            pynvml.nvmlShutdown()


def installed_gpus() -> list[Installed]:
    """Return the GPUs of the machine in the order of the bus. NVML has to be open.

    Raises:
        NVMLError: NVML failed.
    """
    import pynvml

    handles = [pynvml.nvmlDeviceGetHandleByIndex(number) for number in range(pynvml.nvmlDeviceGetCount())]
    return [
        Installed(
            name=pynvml.nvmlDeviceGetName(handle), uuid=pynvml.nvmlDeviceGetUUID(handle), parts=_parts(handle)
        )
        for handle in handles
    ]


def _parts(gpu: Any) -> list[str] | None:
    """Return the UUIDs of the MIG devices of a GPU, or None if it has MIG switched off or has no MIG."""
    import pynvml

    try:
        mode, _ = pynvml.nvmlDeviceGetMigMode(gpu)
    except pynvml.nvmlExceptionClass(pynvml.NVML_ERROR_NOT_SUPPORTED):
        return None
    if mode != pynvml.NVML_DEVICE_MIG_ENABLE:
        return None
    found: list[str] = []
    for number in range(pynvml.nvmlDeviceGetMaxMigDeviceCount(gpu)):
        with suppress(pynvml.nvmlExceptionClass(pynvml.NVML_ERROR_NOT_FOUND)):  # numbers may have gaps
            found.append(pynvml.nvmlDeviceGetUUID(pynvml.nvmlDeviceGetMigDeviceHandleByIndex(gpu, number)))
    return found
