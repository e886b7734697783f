"""What can go wrong or deserves a word, each with what to do about it in its message."""

from __future__ import annotations


class SasslError(Exception):
    """Any failure of this package."""


class NoDaemonError(SasslError):
    """No live `sassld` fills the ring: it is not running, or the name, rank or directory is another."""


class DaemonGoneError(SasslError):
    """`sassld` went away and did not come back in time. Asking for the next batch again goes on waiting."""


class BatchTimeoutError(SasslError, TimeoutError):
    """`sassld` lives, but no batch was ready in time."""


class RingHeldError(BatchTimeoutError):
    """Every slot of the ring is held by batches and arrays of this reader, so that no further batch can be made."""


class BatchReleasedError(SasslError, ValueError):
    """The batch was given back, by `release` or by closing its reader: its arrays are not to be had any more."""


class DrawnColumnsMissingError(SasslError, LookupError):
    """The ring does not hold what was drawn for the views, because `sassld` was not told to write it (`ring.drawn`)."""


class ReaderClosedError(SasslError, ValueError):
    """This reader was closed, or a later `attach` in the same process took its ring."""


class CollationError(SasslError, TypeError):
    """A DataLoader would put whole batches together once more: it wants `batch_size=None`."""


class WorldSizeError(SasslError, ValueError):
    """The ring is one of another number of ranks than this reader was told: it would miss a part of every batch."""


class WorldSizeWarning(UserWarning):
    """The ring is one of several ranks, and nobody said how many there are."""


class SharedBatchesWarning(UserWarning):
    """Of the processes that train together, this one's reader is not that of its rank: they train on the same batches,
    or a part of each batch is seen by none."""


class ContinuingWarning(UserWarning):
    """The first batch is not the stream's first, and nobody said whether this is a fresh run or a resumed one."""


class ReaderReplacedWarning(UserWarning):
    """An earlier reader of the same ring in this process was closed, since a ring has one reader."""


class DeviceUnavailableError(SasslError, RuntimeError):
    """Batches were to go to a device that PyTorch does not see here."""


class PageLockWarning(UserWarning):
    """The ring could not be page-locked for a device: its batches go through a pinned buffer, which costs a copy."""


class FewSlotsWarning(UserWarning):
    """The ring has fewer slots than a `DeviceLoader` of that depth wants, which then fetches fewer batches ahead."""


class ReaderBusyError(SasslError):
    """Another process reads this ring. `holder` is its number."""

    def __init__(self, message: str, holder: int = 0) -> None:
        super().__init__(message)
        self.holder = holder


class VersionMismatchError(SasslError):
    """`sassld` and this package disagree about the ring's format: update the older one."""


class ConfigurationChangedError(SasslError):
    """The ring or the saved state belongs to a stream of another configuration. The message names what differs."""


class CorruptRingError(SasslError):
    """The shared memory says something impossible."""


class RingOwnerError(SasslError, PermissionError):
    """The ring belongs to a user who is not trusted, or everybody may write to it. The message names the user."""


class ChecksumError(SasslError):
    """A batch does not match its checksum. It was asked for again: the next call returns it made anew."""


class ForkedError(SasslError, RuntimeError):
    """The reader was attached by a parent process and cannot be used in its child."""


class WorkerProcessError(SasslError, RuntimeError):
    """A ring cannot be read in a DataLoader's worker process."""


class DaemonFailedError(SasslError):
    """The `sassld` that `serve` started has ended. Its last words are the message; `exit_code` is as in subprocess."""

    def __init__(self, message: str, exit_code: int = 0) -> None:
        super().__init__(message)
        self.exit_code = exit_code
