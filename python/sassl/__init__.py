"""Reads the batches that `sassld` prepares, from shared memory, without a copy.

For example:

    import sassl

    reader = sassl.attach("photos", start=0)
    for epoch in range(100):
        for batch in reader.epoch():
            first, second = batch.views   # uint8 [batch, height, width, 3]
"""

import importlib.metadata

from .batch import Batch
from .errors import (
    BatchReleasedError,
    BatchTimeoutError,
    ChecksumError,
    CollationError,
    ConfigurationChangedError,
    ContinuingWarning,
    CorruptRingError,
    DaemonFailedError,
    DaemonGoneError,
    DeviceUnavailableError,
    DrawnColumnsMissingError,
    FewSlotsWarning,
    ForkedError,
    NoDaemonError,
    PageLockWarning,
    ReaderBusyError,
    ReaderClosedError,
    ReaderReplacedWarning,
    RingHeldError,
    RingOwnerError,
    SasslError,
    SharedBatchesWarning,
    VersionMismatchError,
    WorkerProcessError,
    WorldSizeError,
    WorldSizeWarning,
)
from .reader import Epoch, Reader, RingInformation, RingStatus, attach
from .serving import ServedReader, serve
from .training_log import log

# Of this package as it is installed.
__version__ = importlib.metadata.version("sassl")

__all__ = [
    "Batch",
    "BatchReleasedError",
    "BatchTimeoutError",
    "ChecksumError",
    "CollationError",
    "ConfigurationChangedError",
    "ContinuingWarning",
    "CorruptRingError",
    "DaemonFailedError",
    "DaemonGoneError",
    "DeviceUnavailableError",
    "DrawnColumnsMissingError",
    "Epoch",
    "FewSlotsWarning",
    "ForkedError",
    "NoDaemonError",
    "PageLockWarning",
    "Reader",
    "ReaderBusyError",
    "ReaderClosedError",
    "ReaderReplacedWarning",
    "RingHeldError",
    "RingInformation",
    "RingOwnerError",
    "RingStatus",
    "SasslError",
    "ServedReader",
    "SharedBatchesWarning",
    "VersionMismatchError",
    "WorkerProcessError",
    "WorldSizeError",
    "WorldSizeWarning",
    "attach",
    "log",
    "serve",
]
