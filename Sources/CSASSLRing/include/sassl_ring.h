/// The batch ring: how one producer hands finished batches to one consumer through shared memory.
///
/// This header is the whole public face of the protocol, for C and for any language that can call C.
/// `docs/ring-format.md` tells the same in prose, for programs that would rather read the memory themselves.
///
/// A segment is one file, by default `/dev/shm/sassl.NAME.RANK`:
///
///     page 0          struct sassl_ring_header          consumer maps it read-write
///     page 1 ...      the field table, then one         consumer maps all of this read-only
///                     struct sassl_ring_slot per slot,
///                     then the settings
///     payload_offset  slot 0, slot 1, ... each `slot_bytes` apart, page aligned
///
/// The producer fills slots `sequence % slot_count`, and publishes sequences strictly in order by advancing
/// `published`. The consumer takes them in order and gives them back by advancing `released`. A sequence counts
/// slots; a batch *number* counts positions in the stream. They part company at a seek, which is why each
/// slot carries its number and the seek generation that it was made for.
///
/// Whether the other side lives is asked of the kernel: each side holds an open-file-description lock on one byte of
/// the file (`SASSL_RING_PRODUCER_LOCK`, `SASSL_RING_CONSUMER_LOCK`), which goes when its holder dies, however it dies.
#ifndef SASSL_RING_H
#define SASSL_RING_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SASSL_RING_MAGIC "SASSLRNG"
#define SASSL_RING_ABI_VERSION 1u
#define SASSL_RING_BYTE_ORDER 0x01020304u
#define SASSL_RING_DEFAULT_DIRECTORY "/dev/shm"
/// Where the installed service keeps its rings: only its user can make names in there. Readers look here first.
#define SASSL_RING_SERVICE_DIRECTORY "/dev/shm/sassl"
/// The system user whose rings every reader trusts.
#define SASSL_RING_SERVICE_USER "sassl"
#define SASSL_RING_HEADER_BYTES 4096u
#define SASSL_RING_NAME_BYTES 64u
#define SASSL_RING_FIELD_NAME_BYTES 32u
#define SASSL_RING_MAXIMUM_DIMENSIONS 8u
#define SASSL_RING_MAXIMUM_FIELDS 1024u
#define SASSL_RING_MAXIMUM_SLOTS 4096u
#define SASSL_RING_FIELD_ALIGNMENT 64u
/// Of the text that says what determines the stream.
#define SASSL_RING_MAXIMUM_SETTINGS_BYTES 65536u
/// Byte of the file that a live producer holds an exclusive open-file-description lock on.
#define SASSL_RING_PRODUCER_LOCK 0
/// Byte of the file that an attached consumer holds an exclusive open-file-description lock on.
#define SASSL_RING_CONSUMER_LOCK 1
/// As `start` of a consumer: continue at the next unreleased batch.
#define SASSL_RING_CONTINUE UINT64_MAX
/// Batch numbers end here, so that they fit the signed integers of every language.
#define SASSL_RING_MAXIMUM_NUMBER ((uint64_t)INT64_MAX)
/// As a timeout: wait for as long as it takes.
#define SASSL_RING_FOREVER UINT64_MAX

/// Element types of a field.
enum sassl_ring_dtype {
  SASSL_RING_UINT8 = 1,
  SASSL_RING_INT8 = 2,
  SASSL_RING_UINT16 = 3,
  SASSL_RING_INT16 = 4,
  SASSL_RING_UINT32 = 5,
  SASSL_RING_INT32 = 6,
  SASSL_RING_UINT64 = 7,
  SASSL_RING_INT64 = 8,
  SASSL_RING_FLOAT16 = 9,
  SASSL_RING_BFLOAT16 = 10,
  SASSL_RING_FLOAT32 = 11,
  SASSL_RING_FLOAT64 = 12,
  SASSL_RING_BOOL8 = 13,
};

/// One array of a payload. Row-major, without gaps. Never changes once the segment is visible.
struct sassl_ring_field {
  char name[SASSL_RING_FIELD_NAME_BYTES];         ///< NUL-terminated, [A-Za-z0-9_-]+, unique
  uint32_t dtype;                                 ///< enum sassl_ring_dtype
  uint32_t dimensions;                            ///< how many entries of `shape` count, at most 8
  uint64_t shape[SASSL_RING_MAXIMUM_DIMENSIONS];  ///< each at least 1; unused entries are 0
  uint64_t offset;                                ///< bytes from the start of a slot's payload, multiple of 64
  uint64_t bytes;                                 ///< product of shape times element size
  uint64_t reserved;
};

/// What a published slot holds. Written by the producer alone, while the slot's sequence is not yet published; read
/// by the consumer while it is published and not yet released. `published` and `released` are the hand-over in the two
/// directions, so no lock is needed.
struct sassl_ring_slot {
  uint64_t number;         ///< batch number in the stream
  uint64_t epoch;          ///< epoch of that batch
  uint64_t step;           ///< position within the epoch
  uint64_t sequence;       ///< must equal the sequence it is read for
  uint64_t generation;     ///< the seek request that it was made for; others are stale
  uint32_t count;          ///< samples in it, at most `batch_size`
  uint32_t checksum;       ///< CRC-32C of the first `payload_bytes` of the payload
  uint64_t published_ns;   ///< CLOCK_MONOTONIC when it was published
  uint64_t production_ns;  ///< how long making it took, as told by the producer
};

/// Values of `producer_state`.
enum sassl_ring_state {
  SASSL_RING_SERVING = 1,
  SASSL_RING_CLOSED = 2,      ///< nothing more will come
  SASSL_RING_SUPERSEDED = 3,  ///< nor is this where a reader should write its position: the successor has read it
};

/// The vector instructions that a stream's bits depend on. With style networks that do not compute in whole numbers, the bits of a
/// stylized view are the same for one of them. Between two, single values leave the network one level (of 255) apart, and colour jitter
/// may make that a few levels.
enum sassl_ring_cpu_path {
  SASSL_RING_CPU_ANY = 0,  ///< the stream is the same on all of them, or the producer does not say
  SASSL_RING_CPU_PORTABLE = 1,
  SASSL_RING_CPU_AVX2 = 2,
  SASSL_RING_CPU_AVX512 = 3,
};

/// The header page.
///
/// There is no lock in here. Every field has one writer (two words have two, and say why that is harmless), every field
/// is naturally aligned, and every mutable field is only touched with atomic loads and stores. A side never believes what
/// the other may write: counters are checked against what is possible before they are used, and geometry is copied
/// to private memory and checked against the size of the file once, when the segment is opened.
struct sassl_ring_header {
  // Identity. The producer writes all of this before the file has a name, so nobody can see it change.
  char magic[8];                         ///< SASSL_RING_MAGIC, without the NUL
  uint32_t abi_version;                  ///< SASSL_RING_ABI_VERSION; any other layout has another number
  uint32_t byte_order;                   ///< SASSL_RING_BYTE_ORDER in the producer's order
  uint8_t instance[16];                  ///< random, new for each producer; tells a restarted producer from its predecessor
  uint8_t fingerprint[32];               ///< of the configuration: equal fingerprints make equal streams
  uint32_t page_bytes;                   ///< alignment of everything below; the directory starts at this offset
  uint32_t slot_count;                   ///< 1 ... 4096
  uint32_t field_count;                  ///< 1 ... 1024
  uint32_t batch_size;                   ///< samples in a full batch of this rank
  uint64_t slots_offset;                 ///< of the first struct sassl_ring_slot
  uint64_t payload_offset;               ///< of slot 0's payload, multiple of page_bytes
  uint64_t slot_bytes;                   ///< from one payload to the next, multiple of page_bytes
  uint64_t payload_bytes;                ///< of a slot that fields may use, at most slot_bytes
  uint64_t file_bytes;                   ///< payload_offset + slot_count * slot_bytes, all of it reserved
  uint32_t rank;                         ///< of this ring's reader, below world_size
  uint32_t world_size;                   ///< readers of the stream
  uint64_t batches_per_epoch;            ///< 0 where the producer does not say
  int32_t producer_pid;                  ///< for messages; whether it lives is for the lock to say
  uint32_t cpu_path;                     ///< enum sassl_ring_cpu_path: what the batches' bits depend on
  uint64_t producer_start_ticks;         ///< start time of that pid, clock ticks since boot (/proc/PID/stat, field 22)
  uint64_t created_unix_ns;              ///< wall clock, for people
  uint64_t created_ns;                   ///< CLOCK_MONOTONIC
  char name[SASSL_RING_NAME_BYTES];      ///< of the ring, NUL-terminated
  uint64_t settings_offset;              ///< of the text that says what determines the stream: "key = value" lines, UTF-8,
                                         ///< without a NUL; between the slot table and payload_offset
  uint64_t settings_bytes;               ///< of that text, at most 65536; 0 for none
  uint8_t reserved_producer[8];          ///< so that the writers do not share a cache line

  // Written by the producer alone.
  uint64_t published;                    ///< sequences published; stored with release after slot and payload are complete,
                                         ///< pairs with the consumer's acquire load before it reads them
  uint64_t next_batch;                   ///< number of the batch to be published next; stored before `published`
  uint64_t seek_acknowledged;            ///< the last `seek_requested` acted upon; stored with release after next_batch,
                                         ///< pairs with the consumer's acquire load when it asks whether to seek at all
  uint64_t heartbeat_ns;                 ///< CLOCK_MONOTONIC of the last progress; for people and watchdogs, never for liveness
  uint64_t producer_waited_ns;           ///< time spent waiting for a free slot with no slot being filled (the ring was full of
                                         ///< finished batches), sum of finished waits
  uint64_t producer_waiting_since_ns;    ///< CLOCK_MONOTONIC since when it has been waiting now, 0 when it is not
  uint64_t producing;                    ///< slots being filled now; for people
  uint32_t published_signal;             ///< futex that the consumer sleeps on; changes after each change of the above, its
                                         ///< value means nothing
  uint32_t producer_state;               ///< enum sassl_ring_state; other than SERVING promises that `published` is final. After a
                                         ///< crash the successor, which then holds the dead one's producer lock, writes it.
                                         ///< SUPERSEDED and reader_next are stored before, and read after, a full fence by the
                                         ///< successor and the reader in opposite order: one of them notices the other.
  uint8_t reserved_consumer[192];

  // Written by the consumer alone, that is by the holder of the consumer lock.
  uint64_t released;                     ///< sequences given back; stored with release after the last read of their payload,
                                         ///< pairs with the producer's acquire load before it writes there again
  uint64_t taken;                        ///< sequences handed out; for people (taken - released are leased)
  uint64_t reader_next;                  ///< number of the lowest batch not yet released: what the next reader continues with,
                                         ///< and what a restarted producer starts with. Stored *before* `released`, so that a
                                         ///< reader that dies in between cannot cause a repetition. The producer writes
                                         ///< the first value before the file has a name.
  uint64_t seek_target;                  ///< the batch number asked for; stored before seek_requested
  uint64_t seek_requested;               ///< counts requests; stored with release, pairs with the producer's acquire load. If a
                                         ///< producer sees an old count with a newer target, it acts once too often
                                         ///< and the batches made in between are stale by their generation. Only a count
                                         ///< that comes after seek_acknowledged is a request; a reader that finds a seek
                                         ///< acknowledged that it has not asked for asks for its own batch.
  uint64_t consumer_waited_ns;           ///< time spent waiting for a batch (the trainer starved), sum of finished waits
  uint64_t consumer_waiting_since_ns;    ///< CLOCK_MONOTONIC since when it has been waiting now, 0 when it is not
  uint64_t dropped;                      ///< published batches that were stale and never handed out
  uint64_t consumer_attached_ns;         ///< CLOCK_MONOTONIC
  uint64_t consumer_start_ticks;         ///< like producer_start_ticks
  int32_t consumer_pid;                  ///< for messages; whether it lives is for the lock to say
  uint32_t released_signal;              ///< futex that the producer sleeps on; the producer's own threads raise it too, with an
                                         ///< atomic addition, which is harmless because its value means nothing
};

/// Steps of the protocol at which a process can die. A hook is called at each; when it returns non-zero, the
/// function that called it returns SASSL_RING_ABANDONED at once and leaves everything as it is.
enum sassl_ring_step {
  SASSL_RING_STEP_SEGMENT_RESERVED = 1,    ///< memory reserved, header empty, file without a name
  SASSL_RING_STEP_SEGMENT_WRITTEN = 2,     ///< header complete, file without a name
  SASSL_RING_STEP_SEGMENT_NAMED = 3,       ///< complete under a temporary name, the predecessor's file is still in place
  SASSL_RING_STEP_SEGMENT_VISIBLE = 4,     ///< the file has its name
  SASSL_RING_STEP_SLOT_CHOSEN = 5,         ///< a slot was reserved, nothing written
  SASSL_RING_STEP_HALF_WRITTEN = 6,        ///< payload complete, slot entry half written
  SASSL_RING_STEP_WRITTEN = 7,             ///< slot complete, not published
  SASSL_RING_STEP_PUBLISHED = 8,           ///< published, consumer not woken
  SASSL_RING_STEP_SEEK_NOTED = 9,          ///< producer has read a seek request and not acknowledged it
  SASSL_RING_STEP_SEEK_ACKNOWLEDGED = 10,  ///< producer has acknowledged it
  SASSL_RING_STEP_CLOSED = 11,             ///< producer_state says CLOSED, the file still has its name
  SASSL_RING_STEP_ATTACHED = 12,           ///< consumer holds its lock, nothing written
  SASSL_RING_STEP_LEASED = 13,             ///< consumer has taken a batch
  SASSL_RING_STEP_RELEASE_NOTED = 14,      ///< reader_next advanced, released not
  SASSL_RING_STEP_RELEASED = 15,           ///< released advanced, producer not woken
  SASSL_RING_STEP_SEEK_TARGETED = 16,      ///< reader_next and seek_target written, seek_requested not
  SASSL_RING_STEP_SEEK_REQUESTED = 17,     ///< seek_requested written, producer not woken
};

typedef int (*sassl_ring_hook)(enum sassl_ring_step step, void *context);

/// What a function returns: 0, or one of these.
enum sassl_ring_result {
  SASSL_RING_OK = 0,
  SASSL_RING_TIMEOUT = 1,    ///< nothing happened in time; the other side lives. Call again.
  SASSL_RING_VOID = 2,       ///< the reservation was overtaken by a seek; nothing was published
  SASSL_RING_ABANDONED = 3,  ///< a hook said so
  SASSL_RING_ERROR_ARGUMENT = -1,   ///< a name, size or shape that is not allowed
  SASSL_RING_ERROR_SYSTEM = -2,     ///< a system call failed, see system_errno
  SASSL_RING_ERROR_SPACE = -3,      ///< the directory's file system is too full, see needed and available
  SASSL_RING_ERROR_BUSY = -4,       ///< that side of the ring is taken, see holder_pid
  SASSL_RING_ERROR_ABSENT = -5,     ///< no live producer
  SASSL_RING_ERROR_VERSION = -6,    ///< another ABI version, see needed (ours) and available (theirs)
  SASSL_RING_ERROR_CORRUPT = -7,    ///< the memory says something impossible
  SASSL_RING_ERROR_CHANGED = -8,    ///< the new instance has another configuration
  SASSL_RING_ERROR_CHECKSUM = -9,   ///< a batch does not match its CRC-32C
  SASSL_RING_ERROR_FORKED = -10,    ///< this handle belongs to the parent process
  SASSL_RING_ERROR_STATE = -11,     ///< not in this order: released twice, published twice, closed
  SASSL_RING_ERROR_OWNER = -12,     ///< the file belongs to a user who is not trusted, or everybody may write to it
  SASSL_RING_ERROR_WORLD = -13,     ///< the ring is one of another number of ranks, see needed (ours) and available (theirs)
};

/// What went wrong, in words. Every function that takes one accepts NULL.
struct sassl_ring_error {
  int32_t result;
  int32_t system_errno;
  int64_t holder_pid;
  uint64_t needed;
  uint64_t available;
  char message[512];
};

struct sassl_ring_producer;
struct sassl_ring_consumer;
struct sassl_ring_observer;
struct sassl_ring_mapping;

/// Everything that does not change during an instance's life, copied out of a checked header.
struct sassl_ring_geometry {
  uint8_t instance[16];
  uint8_t fingerprint[32];
  char name[SASSL_RING_NAME_BYTES];
  uint32_t slot_count;
  uint32_t field_count;
  uint32_t batch_size;
  uint32_t rank;
  uint32_t world_size;
  uint32_t page_bytes;
  uint64_t slots_offset;
  uint64_t payload_offset;
  uint64_t slot_bytes;
  uint64_t payload_bytes;
  uint64_t file_bytes;
  uint64_t batches_per_epoch;
  int32_t producer_pid;
  uint32_t cpu_path;
  uint64_t producer_start_ticks;
  uint64_t created_unix_ns;
  uint64_t created_ns;
  uint64_t settings_offset;
  uint64_t settings_bytes;
};

/// The counters of the header at about one moment, and what the locks say. Impossible values have been made possible:
/// released <= taken <= published <= released + slot_count, batch numbers are numbers, and no wait is longer than the ring is old.
struct sassl_ring_counters {
  uint64_t now_ns;  ///< CLOCK_MONOTONIC when they were read
  uint64_t published;
  uint64_t released;
  uint64_t taken;
  uint64_t next_batch;
  uint64_t reader_next;
  uint64_t seek_target;
  uint64_t seek_requested;
  uint64_t seek_acknowledged;
  uint64_t heartbeat_ns;
  uint64_t producing;
  uint64_t dropped;
  uint64_t producer_waited_ns;  ///< including the wait in progress
  uint64_t consumer_waited_ns;  ///< including the wait in progress
  uint64_t consumer_attached_ns;
  uint32_t producer_state;
  int32_t producer_alive;
  int32_t consumer_alive;
  int32_t consumer_pid;
  uint64_t consumer_start_ticks;
};

// Names, sizes, checksums

/// Writes the path of a ring's file to `path`. Names are [A-Za-z0-9_-]+ of at most 63 bytes, so none can leave the directory.
/// Where `directory` is NULL, the ring is looked for as readers do: in SASSL_RING_SERVICE_DIRECTORY, if that belongs to
/// a trusted user and has such a file, else in SASSL_RING_DEFAULT_DIRECTORY.
int sassl_ring_path(const char *directory, const char *name, uint32_t rank, char *path, size_t path_bytes,
                    struct sassl_ring_error *error);
/// Whether what belongs to a user may be believed: root's, this process's own, the service's, and that of `owner_id`, if that is not -1.
int sassl_ring_user_is_trusted(uint32_t user, int64_t owner_id);
/// A user's name and number for messages, such as "'alice' (1001)"; the number alone where there is no name. As much as fits
/// `capacity` bytes, the terminating NUL included.
void sassl_ring_user_name(uint32_t user, char *words, size_t capacity);
/// Bytes of one element, 0 for an unknown type.
uint64_t sassl_ring_dtype_bytes(uint32_t dtype);
/// CRC-32C (Castagnoli) of `bytes`, continuing `seed` (0 to begin). SSE4.2 where the processor has it.
uint32_t sassl_ring_crc32c(uint32_t seed, const void *bytes, size_t count);
/// The same, one byte after another, for comparison.
uint32_t sassl_ring_crc32c_portable(uint32_t seed, const void *bytes, size_t count);
/// Says how two texts of settings differ, such as "stream.seed was 1 and is 2; style.group was 8 and is unset; and 5 more":
/// as many as fit `capacity` bytes, the terminating NUL included. Returns how many differ; 0 and no word also where one of
/// the texts is empty, since nothing is known then.
size_t sassl_ring_settings_difference(const char *former, const char *present, char *words, size_t capacity);

// The producer's side. A producer's functions may be called from any thread.

struct sassl_ring_producer_options {
  const char *directory;  ///< NULL for /dev/shm
  const char *name;
  uint32_t rank;
  uint32_t world_size;
  uint32_t batch_size;
  uint32_t slot_count;
  const struct sassl_ring_field *fields;  ///< name, dtype, dimensions and shape count; offset and bytes are computed
  uint32_t field_count;
  int32_t resume;  ///< non-zero: start where the reader of a dead predecessor with the same fingerprint stood
  uint64_t start_batch;  ///< first batch number, unless resumed
  uint64_t batches_per_epoch;
  uint8_t fingerprint[32];
  const char *settings;   ///< what the fingerprint is made of, for messages: "key = value" lines, UTF-8; NULL for none
  int64_t group_id;       ///< group that may attach too, so that the file's mode is 0660; -1 for the user alone, 0600
  uint64_t space_timeout_ns;  ///< how long to wait for a dead predecessor's reader to let go of memory when space lacks
  sassl_ring_hook hook;
  void *hook_context;
  uint32_t cpu_path;  ///< enum sassl_ring_cpu_path, for readers to know
  uint32_t reserved;
};

/// A slot that is being filled.
struct sassl_ring_reservation {
  uint64_t sequence;
  uint64_t number;      ///< the batch that belongs in here
  uint64_t generation;
  uint32_t slot;
  uint32_t reserved;
  void *payload;        ///< `payload_bytes` writable bytes, page aligned
  uint64_t former_ns;   ///< for how long the batch that was in the slot before was there, from its publication until this slot was
                        ///< found free; 0 where there was none, or a seek has overtaken it
};

/// What to say of a batch when it is published.
struct sassl_ring_batch {
  uint64_t epoch;
  uint64_t step;
  uint32_t count;
  uint32_t reserved;
  uint64_t production_ns;
};

/// Bytes of shared memory that these options ask for, or 0 (with an error) where they are not allowed.
uint64_t sassl_ring_segment_bytes(const struct sassl_ring_producer_options *options, struct sassl_ring_error *error);
/// Creates the segment, replacing that of a dead predecessor of the same user. Errors: ARGUMENT, SYSTEM, SPACE, BUSY, OWNER.
int sassl_ring_producer_create(const struct sassl_ring_producer_options *options, struct sassl_ring_producer **producer,
                               struct sassl_ring_error *error);
/// Waits for a free slot and for the number of the batch to put there. Several may be out at once; numbers are handed out in
/// stream order. A seek is obeyed in here: the next number is then the one that the reader asked for, and
/// reservations still out become void. Returns TIMEOUT when the ring stays full. Errors: CORRUPT, FORKED.
int sassl_ring_producer_reserve(struct sassl_ring_producer *producer, uint64_t timeout_ns,
                                struct sassl_ring_reservation *reservation, struct sassl_ring_error *error);
/// Non-zero when a seek has overtaken this reservation, so that filling it further is in vain: once so, always so, and then `publish`
/// publishes nothing. Give it back with `publish` or `cancel`.
int sassl_ring_producer_is_void(struct sassl_ring_producer *producer, const struct sassl_ring_reservation *reservation);
/// Computes the checksum and publishes, now or as soon as all earlier reservations are published. VOID when a seek has overtaken it.
int sassl_ring_producer_publish(struct sassl_ring_producer *producer, const struct sassl_ring_reservation *reservation,
                                const struct sassl_ring_batch *batch, struct sassl_ring_error *error);
/// Gives a reservation back unfilled; the next `reserve` returns it again.
int sassl_ring_producer_cancel(struct sassl_ring_producer *producer, const struct sassl_ring_reservation *reservation,
                               struct sassl_ring_error *error);
/// Tells observers that the producer makes progress. Publishing does that too.
void sassl_ring_producer_heartbeat(struct sassl_ring_producer *producer);
const struct sassl_ring_geometry *sassl_ring_producer_geometry(const struct sassl_ring_producer *producer);
const struct sassl_ring_field *sassl_ring_producer_fields(const struct sassl_ring_producer *producer);
/// First batch number of this instance.
uint64_t sassl_ring_producer_start(const struct sassl_ring_producer *producer);
/// Non-zero when that number came from a dead predecessor.
int sassl_ring_producer_resumed(const struct sassl_ring_producer *producer);
void sassl_ring_producer_counters(struct sassl_ring_producer *producer, struct sassl_ring_counters *counters);
/// Non-zero while the ring's name leads to the ring; zero when somebody has removed or replaced the file.
int sassl_ring_producer_is_named(struct sassl_ring_producer *producer);
/// Puts a new instance in the place of the present one, as a restarted producer does: when CORRUPT was returned, or the file has
/// lost its name. The reader goes on there with its next batch. Reservations that are out become void, and TIMEOUT is returned
/// while there are any; call again, from the thread that reserves. Errors: those of `create`, and STATE after `finish`; SPACE comes at
/// once, whatever `space_timeout_ns` was, and the caller tries again; when something
/// stands in the place of the file, that is told before the present instance is given up.
int sassl_ring_producer_renew(struct sassl_ring_producer *producer, uint64_t timeout_ns, struct sassl_ring_error *error);
/// Says that nothing more will come and removes the file. Reservations that are out become void, and `reserve` returns STATE. A
/// reader may finish what is published.
int sassl_ring_producer_finish(struct sassl_ring_producer *producer);
/// Finishes, and frees the producer.
int sassl_ring_producer_close(struct sassl_ring_producer *producer);

/// Removes the ring that a dead producer left, whose memory is otherwise taken until the next one of that name. With it goes the
/// knowledge of where its reader stood. SASSL_RING_ERROR_BUSY where a live process fills or reads it, SASSL_RING_ERROR_ABSENT
/// where there is none.
int sassl_ring_remove_dead(const char *directory, const char *name, uint32_t rank, struct sassl_ring_error *error);
/// What the kernel does when the process dies: drops lock and mapping, and frees the producer. For tests.
void sassl_ring_producer_abandon(struct sassl_ring_producer *producer);

// The consumer's side. Its functions may be called from any thread; `close` and `abandon` when no other call is under way.

struct sassl_ring_consumer_options {
  const char *directory;  ///< NULL for the service's directory, if the ring is there, else /dev/shm
  const char *name;
  uint32_t rank;
  int32_t verify;               ///< non-zero: check each batch's CRC-32C
  uint64_t start;               ///< batch number to begin with, or SASSL_RING_CONTINUE
  uint64_t attach_timeout_ns;   ///< how long to wait for a producer at first
  uint64_t absence_timeout_ns;  ///< how long to wait for a new producer once one has gone
  int32_t accept_change;        ///< non-zero: go on with a new instance of another configuration
  uint32_t world_size;          ///< readers of the stream, or 0 to take whatever the ring says
  int64_t owner_id;             ///< a user whose ring may be read besides root's, one's own and the service's; -1 for nobody else
  sassl_ring_hook hook;
  void *hook_context;
};

/// A batch that the consumer holds. Its payload stays what it is until the batch is released, also beyond `detach`; payload and
/// field table stay mapped until the mapping's last holder lets go.
struct sassl_ring_lease {
  uint64_t identifier;
  uint64_t number;
  uint64_t epoch;
  uint64_t step;
  uint32_t count;
  uint32_t checksum;
  uint64_t published_ns;
  uint64_t production_ns;
  const void *payload;
  struct sassl_ring_mapping *mapping;
  struct sassl_ring_consumer *consumer;  ///< for `sassl_ring_lease_end`, which makes it NULL
  int32_t done;                          ///< for `sassl_ring_lease_end`, set by whoever is done with the batch
  uint32_t reserved;
};

/// Attaches to a ring. Errors: ARGUMENT, SYSTEM, BUSY, ABSENT, VERSION, CORRUPT, OWNER, WORLD.
int sassl_ring_consumer_attach(const struct sassl_ring_consumer_options *options, struct sassl_ring_consumer **consumer,
                               struct sassl_ring_error *error);
/// Waits for the next batch of the stream. When the producer goes, finishes what it had published, waits for a
/// successor and goes on there with the same next batch. The successor's owner must be the predecessor's. Returns TIMEOUT.
/// Errors: ABSENT, BUSY, VERSION, CORRUPT, CHANGED, CHECKSUM, FORKED, OWNER, WORLD; STATE once it is detached.
int sassl_ring_consumer_next(struct sassl_ring_consumer *consumer, uint64_t timeout_ns, struct sassl_ring_lease *lease,
                             struct sassl_ring_error *error);
/// Gives a batch back, in any order, also after `detach`. Errors: STATE, FORKED.
int sassl_ring_consumer_release(struct sassl_ring_consumer *consumer, uint64_t identifier, struct sassl_ring_error *error);
/// Continues with batch `number`. Batches still held no longer count for where a next reader continues.
int sassl_ring_consumer_seek(struct sassl_ring_consumer *consumer, uint64_t number, struct sassl_ring_error *error);
/// Number of the batch that `next` returns next.
uint64_t sassl_ring_consumer_position(const struct sassl_ring_consumer *consumer);
/// Of the instance last attached to; changes when `next` moves on to a successor.
const struct sassl_ring_geometry *sassl_ring_consumer_geometry(const struct sassl_ring_consumer *consumer);
const struct sassl_ring_field *sassl_ring_consumer_fields(const struct sassl_ring_consumer *consumer);
/// What determines its stream: "key = value" lines, which nobody has checked; empty where the producer does not say. Like the
/// geometry, it changes when `next` moves on to a successor.
const char *sassl_ring_consumer_settings(const struct sassl_ring_consumer *consumer);
/// Copies geometry and settings, for a thread beside one that calls `next`. `settings` has room for
/// SASSL_RING_MAXIMUM_SETTINGS_BYTES and a NUL; NULL to leave them.
void sassl_ring_consumer_describe(struct sassl_ring_consumer *consumer, struct sassl_ring_geometry *geometry, char *settings);
/// Zeroes where no producer is attached.
void sassl_ring_consumer_counters(struct sassl_ring_consumer *consumer, struct sassl_ring_counters *counters);
/// Where no slot is free, though some would be if not for a few that were kept (slots are given back in their order), or though
/// the only one is held: moves what is held to private memory. Its payload stays readable where it is, and its slots are the
/// producer's again. The batches still count as held. Errors: SYSTEM (no memory), FORKED; STATE once it is detached.
int sassl_ring_consumer_make_room(struct sassl_ring_consumer *consumer, struct sassl_ring_error *error);
/// Gives a batch back when nothing refers to it any more: fit to be the finalizer of an object that holds the structure, in languages
/// that have such. Does nothing where it is empty. Unless it says `done`, the batch that was handed out last counts as read only when
/// another is asked for: if an exception ends the reader before, the next one gets it again (made anew).
void sassl_ring_lease_end(struct sassl_ring_lease *lease);
/// Keeps a batch in its slot, for a device that copies it from there: until the lease is vacated or over, the batch is not moved to
/// private memory. `*offset` is how far behind the first slot it begins, in bytes. Returns 0 where it does not lie in its slot (it was
/// moved, or its ring has a successor), else 1.
int sassl_ring_lease_pin(const struct sassl_ring_lease *lease, uint64_t *offset);
/// Gives the slot of a batch back to the producer, and nothing else: its payload must not be read any more, but the batch still
/// counts as held until the lease is over. For whoever has copied it and has not used the copy yet. Doing so twice does nothing.
void sassl_ring_lease_vacate(const struct sassl_ring_lease *lease);
/// Maps all slots of the ring that a batch lies in once more, one after the other, for a device to copy from: nothing ever moves
/// there, and the mapping is the caller's until `sassl_ring_slots_unmap`. `writable` is for drivers that lock no pages of memory that
/// is read-only; nobody may write to it. Errors: SYSTEM, FORKED; STATE where the ring has a successor, or is detached.
int sassl_ring_lease_map_slots(const struct sassl_ring_lease *lease, int writable, void **slots, uint64_t *bytes,
                               struct sassl_ring_error *error);
void sassl_ring_slots_unmap(void *slots, uint64_t bytes);
/// From now on `sassl_ring_lease_end` does nothing: the process ends, and what is still held was not read.
void sassl_ring_process_ends(void);
/// Gives the ring up for the next reader; a `next` that waits in another thread ends with STATE within a moment. What is still held
/// is moved to private memory and stays readable until it is released. `done` says whether it counts as read; where it does not, the
/// next reader gets it again. Errors: FORKED, STATE (detached already); SYSTEM where memory is refused, and STATE where a device
/// still copies a batch: then the ring is given up when the last batch is released.
int sassl_ring_consumer_detach(struct sassl_ring_consumer *consumer, int done, struct sassl_ring_error *error);
/// Detaches and frees. Batches still held count as unread: the next reader gets them. Their payload is mapped as long as their
/// mapping is retained.
int sassl_ring_consumer_close(struct sassl_ring_consumer *consumer);
/// The same for a program whose references end in no certain order, as those that a garbage collector finds: it is freed as soon as no
/// `struct sassl_ring_lease` holds a batch of it. But for what is done with these, it must not be used any more.
void sassl_ring_consumer_forget(struct sassl_ring_consumer *consumer);
/// What the kernel does when the process dies. For tests.
void sassl_ring_consumer_abandon(struct sassl_ring_consumer *consumer);

/// Makes a write to a batch's payload, which ends the process, end it with a sentence on standard error that names ring, batch and
/// array. It installs a handler of SIGSEGV, which hands over to the former one; calling it again does nothing.
void sassl_ring_explain_writes(void);
/// Keeps the memory behind a lease mapped beyond release and close (its contents may change after release).
void sassl_ring_mapping_retain(struct sassl_ring_mapping *mapping);
void sassl_ring_mapping_release(struct sassl_ring_mapping *mapping);
const struct sassl_ring_geometry *sassl_ring_mapping_geometry(const struct sassl_ring_mapping *mapping);
const struct sassl_ring_field *sassl_ring_mapping_fields(const struct sassl_ring_mapping *mapping);

// The observer's side: looks, holds no lock, changes nothing.

/// Opens a ring read-only, also one whose producer is dead. Errors: ARGUMENT, SYSTEM, ABSENT (no such file), VERSION, CORRUPT, OWNER.
int sassl_ring_observer_open(const char *directory, const char *name, uint32_t rank, struct sassl_ring_observer **observer,
                             struct sassl_ring_error *error);
const struct sassl_ring_geometry *sassl_ring_observer_geometry(const struct sassl_ring_observer *observer);
const struct sassl_ring_field *sassl_ring_observer_fields(const struct sassl_ring_observer *observer);
void sassl_ring_observer_counters(struct sassl_ring_observer *observer, struct sassl_ring_counters *counters);
/// Copies a published, unreleased batch: its slot entry and, unless `payload` is NULL, its `payload_bytes`.
/// ABSENT when the ring does not hold it (any more), CHECKSUM when payload was copied and does not match.
int sassl_ring_observer_read(struct sassl_ring_observer *observer, uint64_t number, struct sassl_ring_slot *slot,
                             void *payload, struct sassl_ring_error *error);
void sassl_ring_observer_close(struct sassl_ring_observer *observer);

#ifdef __cplusplus
}
#endif

#endif
