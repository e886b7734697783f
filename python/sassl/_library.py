"""The ring's C library, `ring/include/sassl_ring.h`, as ctypes sees it. Calls release the interpreter's lock."""

from __future__ import annotations

import atexit
import ctypes
import importlib.util
import os
import pwd
from ctypes import POINTER, Structure, c_char, c_char_p, c_int, c_int32, c_int64, c_size_t, c_uint8, c_uint32, c_uint64
from ctypes import c_void_p as c_pointer
from typing import ClassVar, NoReturn

from . import errors

OK, TIMEOUT, VOID, ABANDONED = 0, 1, 2, 3
ARGUMENT, SYSTEM, SPACE, BUSY, ABSENT, VERSION, CORRUPT, CHANGED = range(-1, -9, -1)
CHECKSUM, FORKED, STATE, OWNER, WORLD = range(-9, -14, -1)
# What `Counters.producer_state` is while batches come.
SERVING = 1
CONTINUE = 2**64 - 1
MAXIMUM_SETTINGS_BYTES = 65536
FIELD_NAME_BYTES, MAXIMUM_DIMENSIONS, NAME_BYTES = 32, 8, 64

Hook = ctypes.CFUNCTYPE(c_int, c_int, c_pointer)


class Field(Structure):
    _fields_: ClassVar = [
        ("name", c_char * FIELD_NAME_BYTES),
        ("dtype", c_uint32),
        ("dimensions", c_uint32),
        ("shape", c_uint64 * MAXIMUM_DIMENSIONS),
        ("offset", c_uint64),
        ("bytes", c_uint64),
        ("reserved", c_uint64),
    ]


class Error(Structure):
    _fields_: ClassVar = [
        ("result", c_int32),
        ("system_errno", c_int32),
        ("holder_pid", c_int64),
        ("needed", c_uint64),
        ("available", c_uint64),
        ("message", c_char * 512),
    ]


class Geometry(Structure):
    _fields_: ClassVar = [
        ("instance", c_uint8 * 16),
        ("fingerprint", c_uint8 * 32),
        ("name", c_char * NAME_BYTES),
        ("slot_count", c_uint32),
        ("field_count", c_uint32),
        ("batch_size", c_uint32),
        ("rank", c_uint32),
        ("world_size", c_uint32),
        ("page_bytes", c_uint32),
        ("slots_offset", c_uint64),
        ("payload_offset", c_uint64),
        ("slot_bytes", c_uint64),
        ("payload_bytes", c_uint64),
        ("file_bytes", c_uint64),
        ("batches_per_epoch", c_uint64),
        ("producer_pid", c_int32),
        ("cpu_path", c_uint32),
        ("producer_start_ticks", c_uint64),
        ("created_unix_ns", c_uint64),
        ("created_ns", c_uint64),
        ("settings_offset", c_uint64),
        ("settings_bytes", c_uint64),
    ]


class Counters(Structure):
    _fields_: ClassVar = [
        ("now_ns", c_uint64),
        ("published", c_uint64),
        ("released", c_uint64),
        ("taken", c_uint64),
        ("next_batch", c_uint64),
        ("reader_next", c_uint64),
        ("seek_target", c_uint64),
        ("seek_requested", c_uint64),
        ("seek_acknowledged", c_uint64),
        ("heartbeat_ns", c_uint64),
        ("producing", c_uint64),
        ("dropped", c_uint64),
        ("producer_waited_ns", c_uint64),
        ("consumer_waited_ns", c_uint64),
        ("consumer_attached_ns", c_uint64),
        ("producer_state", c_uint32),
        ("producer_alive", c_int32),
        ("consumer_alive", c_int32),
        ("consumer_pid", c_int32),
        ("consumer_start_ticks", c_uint64),
    ]


class ConsumerOptions(Structure):
    _fields_: ClassVar = [
        ("directory", c_char_p),
        ("name", c_char_p),
        ("rank", c_uint32),
        ("verify", c_int32),
        ("start", c_uint64),
        ("attach_timeout_ns", c_uint64),
        ("absence_timeout_ns", c_uint64),
        ("accept_change", c_int32),
        ("world_size", c_uint32),
        ("owner_id", c_int64),
        ("hook", Hook),
        ("hook_context", c_pointer),
    ]


class Lease(Structure):
    _fields_: ClassVar = [
        ("identifier", c_uint64),
        ("number", c_uint64),
        ("epoch", c_uint64),
        ("step", c_uint64),
        ("count", c_uint32),
        ("checksum", c_uint32),
        ("published_ns", c_uint64),
        ("production_ns", c_uint64),
        ("payload", c_pointer),
        ("mapping", c_pointer),
        ("consumer", c_pointer),
        ("done", c_int32),
        ("reserved", c_uint32),
    ]


class ProducerOptions(Structure):
    _fields_: ClassVar = [
        ("directory", c_char_p),
        ("name", c_char_p),
        ("rank", c_uint32),
        ("world_size", c_uint32),
        ("batch_size", c_uint32),
        ("slot_count", c_uint32),
        ("fields", POINTER(Field)),
        ("field_count", c_uint32),
        ("resume", c_int32),
        ("start_batch", c_uint64),
        ("batches_per_epoch", c_uint64),
        ("fingerprint", c_uint8 * 32),
        ("settings", c_char_p),
        ("group_id", c_int64),
        ("space_timeout_ns", c_uint64),
        ("hook", Hook),
        ("hook_context", c_pointer),
        ("cpu_path", c_uint32),
        ("reserved", c_uint32),
    ]


class Reservation(Structure):
    _fields_: ClassVar = [
        ("sequence", c_uint64),
        ("number", c_uint64),
        ("generation", c_uint64),
        ("slot", c_uint32),
        ("reserved", c_uint32),
        ("payload", c_pointer),
        ("former_ns", c_uint64),
    ]


class BatchInformation(Structure):
    _fields_: ClassVar = [
        ("epoch", c_uint64),
        ("step", c_uint64),
        ("count", c_uint32),
        ("reserved", c_uint32),
        ("production_ns", c_uint64),
    ]


class Slot(Structure):
    _fields_: ClassVar = [
        ("number", c_uint64),
        ("epoch", c_uint64),
        ("step", c_uint64),
        ("sequence", c_uint64),
        ("generation", c_uint64),
        ("count", c_uint32),
        ("checksum", c_uint32),
        ("published_ns", c_uint64),
        ("production_ns", c_uint64),
    ]


_SIGNATURES: dict[str, tuple[object, list[object]]] = {
    "path": (c_int, [c_char_p, c_char_p, c_uint32, c_char_p, c_size_t, POINTER(Error)]),
    "crc32c": (c_uint32, [c_uint32, c_pointer, c_size_t]),
    "settings_difference": (c_size_t, [c_char_p, c_char_p, c_char_p, c_size_t]),
    "segment_bytes": (c_uint64, [POINTER(ProducerOptions), POINTER(Error)]),
    "producer_create": (c_int, [POINTER(ProducerOptions), POINTER(c_pointer), POINTER(Error)]),
    "producer_reserve": (c_int, [c_pointer, c_uint64, POINTER(Reservation), POINTER(Error)]),
    "producer_is_void": (c_int, [c_pointer, POINTER(Reservation)]),
    "producer_publish": (c_int, [c_pointer, POINTER(Reservation), POINTER(BatchInformation), POINTER(Error)]),
    "producer_cancel": (c_int, [c_pointer, POINTER(Reservation), POINTER(Error)]),
    "producer_heartbeat": (None, [c_pointer]),
    "producer_geometry": (POINTER(Geometry), [c_pointer]),
    "producer_fields": (POINTER(Field), [c_pointer]),
    "producer_start": (c_uint64, [c_pointer]),
    "producer_resumed": (c_int, [c_pointer]),
    "producer_counters": (None, [c_pointer, POINTER(Counters)]),
    "producer_is_named": (c_int, [c_pointer]),
    "producer_renew": (c_int, [c_pointer, c_uint64, POINTER(Error)]),
    "producer_close": (c_int, [c_pointer]),
    "producer_abandon": (None, [c_pointer]),
    "remove_dead": (c_int, [c_char_p, c_char_p, c_uint32, POINTER(Error)]),
    "consumer_attach": (c_int, [POINTER(ConsumerOptions), POINTER(c_pointer), POINTER(Error)]),
    "consumer_next": (c_int, [c_pointer, c_uint64, POINTER(Lease), POINTER(Error)]),
    "lease_end": (None, [POINTER(Lease)]),
    "lease_pin": (c_int, [POINTER(Lease), POINTER(c_uint64)]),
    "lease_vacate": (None, [POINTER(Lease)]),
    "lease_map_slots": (c_int, [POINTER(Lease), c_int, POINTER(c_pointer), POINTER(c_uint64), POINTER(Error)]),
    "slots_unmap": (None, [c_pointer, c_uint64]),
    "process_ends": (None, []),
    "consumer_seek": (c_int, [c_pointer, c_uint64, POINTER(Error)]),
    "consumer_position": (c_uint64, [c_pointer]),
    "consumer_describe": (None, [c_pointer, POINTER(Geometry), c_char_p]),
    "consumer_counters": (None, [c_pointer, POINTER(Counters)]),
    "consumer_make_room": (c_int, [c_pointer, POINTER(Error)]),
    "consumer_detach": (c_int, [c_pointer, c_int, POINTER(Error)]),
    "consumer_forget": (None, [c_pointer]),
    "consumer_abandon": (None, [c_pointer]),
    "explain_writes": (None, []),
    "mapping_geometry": (POINTER(Geometry), [c_pointer]),
    "mapping_fields": (POINTER(Field), [c_pointer]),
    "observer_open": (c_int, [c_char_p, c_char_p, c_uint32, POINTER(c_pointer), POINTER(Error)]),
    "observer_geometry": (POINTER(Geometry), [c_pointer]),
    "observer_fields": (POINTER(Field), [c_pointer]),
    "observer_counters": (None, [c_pointer, POINTER(Counters)]),
    "observer_read": (c_int, [c_pointer, c_uint64, POINTER(Slot), c_pointer, POINTER(Error)]),
    "observer_close": (None, [c_pointer]),
}


def _load() -> ctypes.CDLL:
    spec = importlib.util.find_spec("sassl._ring")
    if spec is None or spec.origin is None:
        raise ImportError("sassl's C library is missing: install the package with `pip install ./python`")
    library = ctypes.CDLL(spec.origin)
    for name, (result, arguments) in _SIGNATURES.items():
        function = getattr(library, f"sassl_ring_{name}")
        function.restype = result
        function.argtypes = arguments
    return library


library = _load()

# Batches are given back without a line of Python: an exception of a signal's handler would be swallowed there, and the
# slot be lost. `PyInstanceMethod_New` makes a method of what is no Python function.
_method = ctypes.pythonapi.PyInstanceMethod_New
_method.restype, _method.argtypes = ctypes.py_object, [ctypes.py_object]
setattr(Lease, "__del__", _method(library.sassl_ring_lease_end))  # noqa: B010
# What is still held when the process ends was not done: the next reader gets it.
atexit.register(library.sassl_ring_process_ends)


def raise_error(result: int, error: Error) -> NoReturn:
    """Raises the exception for a failed call."""
    message = error.message.decode(errors="replace")
    if result == ABSENT:
        raise errors.NoDaemonError(message)
    if result == BUSY:
        raise errors.ReaderBusyError(message, error.holder_pid)
    if result == SYSTEM:
        raise OSError(error.system_errno or 0, message)
    if result == ARGUMENT:
        raise ValueError(message)
    if result == SPACE:
        raise OSError(error.system_errno or 0, message)
    kinds: dict[int, type[errors.SasslError]] = {
        VERSION: errors.VersionMismatchError,
        CORRUPT: errors.CorruptRingError,
        CHANGED: errors.ConfigurationChangedError,
        CHECKSUM: errors.ChecksumError,
        FORKED: errors.ForkedError,
        STATE: errors.ReaderClosedError,
        OWNER: errors.RingOwnerError,
        WORLD: errors.WorldSizeError,
    }
    raise kinds.get(result, errors.SasslError)(message or f"ring error {result}")


def nanoseconds(seconds: float) -> int:
    """A duration as the library wants it; infinity is for ever. Raises ValueError for what is not a number."""
    if seconds != seconds:
        raise ValueError("a time in seconds cannot be NaN")
    return min(int(max(seconds, 0.0) * 1e9), 2**64 - 1) if seconds != float("inf") else 2**64 - 1


def user_number(user: str | int | None) -> int:
    """The number of a user given by name or number, -1 for nobody."""
    if user is None:
        return -1
    if isinstance(user, int):
        if not 0 <= user < 2**32 - 1:
            raise ValueError(f"owner={user} is not the number of a user")
        return user
    try:
        return pwd.getpwnam(user).pw_uid
    except KeyError:
        raise ValueError(f"owner={user!r}: there is no such user on this machine") from None


def encoded(path: str | os.PathLike[str] | None) -> bytes | None:
    """A path as bytes, None for the default."""
    return None if path is None else os.fsencode(path)
