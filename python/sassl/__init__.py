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
    DaemonFailedError,
    DaemonGoneError,
    ForkedError,
    NoDaemonError,
    ReaderBusyError,
    SasslError,
    VersionMismatchError,
    WorkerProcessError,
)
from .reader import Batch, Reader, RingInformation, RingStatus, attach
from .serving import ServedReader, serve

__version__ = "0.1.0"

__all__ = [
    "Batch",
    "BatchTimeoutError",
    "ChecksumError",
    "ConfigurationChangedError",
    "CorruptRingError",
    "DaemonFailedError",
    "DaemonGoneError",
    "ForkedError",
    "NoDaemonError",
    "Reader",
    "ReaderBusyError",
    "RingInformation",
    "RingStatus",
    "SasslError",
    "ServedReader",
    "VersionMismatchError",
    "WorkerProcessError",
    "attach",
    "serve",
]
