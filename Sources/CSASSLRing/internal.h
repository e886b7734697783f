// What the files of this library share. Not installed.
#ifndef SASSL_RING_INTERNAL_H
#define SASSL_RING_INTERNAL_H

#include "sassl_ring.h"

#include <pthread.h>
#include <stdbool.h>
#include <sys/types.h>

// Only the public header's functions may be seen from outside: in a shared library, a function of ours with a plain name such as
// `fail` would otherwise be replaced by one of the program that loads it.
#pragma GCC visibility push(hidden)

/// A wait never sleeps longer than this without looking whether the other side lives.
#define WAIT_SLICE_NS 100000000ull
/// Between looks at the directory while there is no producer, whose arrival no futex announces.
#define ARRIVAL_POLL_NS 10000000ull

/// A mapped segment with private, checked copies of everything that must not change under us.
struct sassl_ring_mapping {
  int references;  // atomic
  struct sassl_ring_geometry geometry;
  struct sassl_ring_field *fields;
  struct sassl_ring_header *header;
  unsigned char *body;  // file offset page_bytes and after
  size_t header_mapped;
  size_t body_mapped;
  uint64_t *handed_out;  // by slot, atomic: number of the batch that was handed out last; NULL but for consumers
};

static inline struct sassl_ring_slot *mapping_slot(const struct sassl_ring_mapping *mapping, uint64_t sequence) {
  return (struct sassl_ring_slot *)(mapping->body + (mapping->geometry.slots_offset - mapping->geometry.page_bytes)) +
         sequence % mapping->geometry.slot_count;
}

static inline unsigned char *mapping_payload(const struct sassl_ring_mapping *mapping, uint64_t sequence) {
  return mapping->body + (mapping->geometry.payload_offset - mapping->geometry.page_bytes) +
         (sequence % mapping->geometry.slot_count) * mapping->geometry.slot_bytes;
}

/// How much of a segment a side may write.
enum mapping_access { MAP_FOR_PRODUCER, MAP_FOR_CONSUMER, MAP_FOR_OBSERVER };

/// Something that a forked child must not use: its locks belong to the parent.
struct fork_guard {
  struct fork_guard *previous, *next;
  int *lock_descriptor;  // closed in the child, because a descriptor left open there would keep a dead parent's lock alive
  int forked;            // atomic
};

void fork_guard_enter(struct fork_guard *guard, int *lock_descriptor);
void fork_guard_leave(struct fork_guard *guard);
static inline bool fork_guard_tripped(const struct fork_guard *guard) {
  return __atomic_load_n(&guard->forked, __ATOMIC_ACQUIRE) != 0;
}

int fail(struct sassl_ring_error *error, int result, int system_errno, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

uint64_t monotonic_ns(void);
uint64_t unix_ns(void);
uint64_t own_start_ticks(void);
/// When a process started, in clock ticks since boot; 0 where it does not exist, or not for us.
uint64_t start_ticks_of(int32_t process);
void sleep_ns(uint64_t duration);

void futex_wait(uint32_t *word, uint32_t expected, uint64_t timeout_ns);
void futex_raise(uint32_t *word);

/// True when we hold the byte now; false when another open file description does, or on an error (errno set).
bool lock_byte(int descriptor, int byte);
/// Lets go of the lock on a byte and closes the descriptor; does nothing for -1.
void drop_lock(int descriptor, int byte);
/// True when another open file description holds the byte.
bool byte_is_locked(int descriptor, int byte);

bool same_file(int descriptor, const char *path);
/// Reads `count` bytes from `offset` on. False where they cannot be read (errno says why), or the file ends before (errno is 0).
bool read_fully(int descriptor, void *bytes, size_t count, uint64_t offset);
int segment_open(const char *path, int flags);
/// As `owner_id` of the functions below: nobody is trusted besides root, this process's user and the service's.
#define NO_OTHER_OWNER (-1)
/// Enough for the name of a user.
#define USER_NAME_BYTES 96
/// Whether the file behind a descriptor may be believed: it belongs to a trusted user, and not everybody may write to it.
/// `*owner` says whose it is.
int segment_check_owner(int descriptor, const char *path, int64_t owner_id, uid_t *owner, struct sassl_ring_error *error);
/// The error for a file that cannot be opened for `cause`, with its owner where that is the reason.
int segment_refused(const char *path, int cause, int64_t owner_id, struct sassl_ring_error *error);
/// Reads and checks header and field table against the file's true size. On success `*fields` is malloced.
int segment_inspect(int descriptor, const char *path, struct sassl_ring_geometry *geometry,
                    struct sassl_ring_field **fields, struct sassl_ring_error *error);
/// Reads the settings of a segment that `segment_inspect` accepted into private memory. On success `*settings` is malloced.
int segment_settings(int descriptor, const char *path, const struct sassl_ring_geometry *geometry, char **settings,
                     struct sassl_ring_error *error);
/// Maps a segment that `segment_inspect` accepted. Takes over `fields`.
int segment_map(int descriptor, const char *path, const struct sassl_ring_geometry *geometry,
                struct sassl_ring_field *fields, enum mapping_access access, struct sassl_ring_mapping **mapping,
                struct sassl_ring_error *error);
/// Moves the batch in a slot aside: a private copy of its bytes takes the place of the slot in this mapping. Whoever reads there
/// sees the same bytes from now on, whatever becomes of the slot, and nothing that is the ring's.
int mapping_move_aside(struct sassl_ring_mapping *mapping, uint64_t sequence, const char *path,
                       struct sassl_ring_error *error);
/// From now on a write to this mapping's payload is explained, where `sassl_ring_explain_writes` was called.
void faults_watch(const struct sassl_ring_mapping *mapping);
void faults_forget(const struct sassl_ring_mapping *mapping);
/// What a producer has written to the header: its own copy, which alone it believes.
struct producer_copy {
  uint64_t published;
  uint64_t next_batch;
  uint64_t seek_acknowledged;
  uint64_t heartbeat_ns;
  uint64_t producing;
  uint64_t waited_ns;
  uint64_t waiting_since_ns;
  uint32_t state;
};

/// Reads the counters, and makes of impossible ones the nearest that are possible: whoever calculates with them may rely on
/// released <= taken <= published <= released + slots, and on no more than was asked. `descriptor` is asked for the locks; `own`
/// is the caller's where it is the producer, else NULL; `own_consumer` says that the caller holds the consumer's lock.
void segment_counters(const struct sassl_ring_mapping *mapping, int descriptor, const struct producer_copy *own,
                      bool own_consumer, struct sassl_ring_counters *counters);
/// Whether a count of seeks comes after another. It may wrap around.
static inline bool is_newer(uint64_t count, uint64_t than) { return (int64_t)(count - than) > 0; }
bool name_is_valid(const char *name, size_t capacity);

#define LOAD(field) __atomic_load_n(&(field), __ATOMIC_ACQUIRE)
#define STORE(field, value) __atomic_store_n(&(field), (value), __ATOMIC_RELEASE)

/// True when nothing can come into a segment any more: its producer said so, or is gone. `descriptor` is any of its file's.
static inline bool mapping_has_no_producer(const struct sassl_ring_mapping *mapping, int descriptor) {
  return LOAD(mapping->header->producer_state) != SASSL_RING_SERVING ||
         !byte_is_locked(descriptor, SASSL_RING_PRODUCER_LOCK);
}

/// Tells the hook of a producer or consumer that a step was reached; true when the hook says that the process dies here.
#define DIES_AT(owner, step) \
  (__builtin_expect((owner)->hook != NULL, 0) && (owner)->hook((step), (owner)->hook_context) != 0)
/// The same within a function that returns a result.
#define STEP(owner, step)                                     \
  do {                                                        \
    if (DIES_AT((owner), (step))) return SASSL_RING_ABANDONED; \
  } while (0)

#pragma GCC visibility pop

#endif
