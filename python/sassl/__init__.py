"""Reads the batches that `sassld` prepares, from shared memory, without a copy.

For example::

    import sassl

    for batch in sassl.attach("photos"):
        first, second = batch.views   # uint8 [batch, height, width, 3]
"""

from .errors import (
    BatchTimeoutError,
    ChecksumError,
    ConfigurationChangedError,
    CorruptRingError,
    DaemonGoneError,
    ForkedError,
    NoDaemonError,
    ReaderBusyError,
    RingOwnerError,
    SasslError,
    VersionMismatchError,
    WorkerProcessError,
)
from .reader import Batch, Reader, RingInformation, RingStatus, attach

__version__ = "0.1.0"

__all__ = [
    "Batch",
    "BatchTimeoutError",
    "ChecksumError",
    "ConfigurationChangedError",
    "CorruptRingError",
    "DaemonGoneError",
    "ForkedError",
    "NoDaemonError",
    "Reader",
    "ReaderBusyError",
    "RingInformation",
    "RingOwnerError",
    "RingStatus",
    "SasslError",
    "VersionMismatchError",
    "WorkerProcessError",
    "attach",
]
