// What the files of this library share. Not installed.
#ifndef SASSL_RING_INTERNAL_H
#define SASSL_RING_INTERNAL_H

#include "sassl_ring.h"

#include <pthread.h>
#include <stdbool.h>

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
int segment_open(const char *path, int flags);
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
/// Reads the counters; `descriptor` is asked for the locks, `own_*` for those that this process holds through it.
void segment_counters(const struct sassl_ring_mapping *mapping, int descriptor, bool own_producer, bool own_consumer,
                      struct sassl_ring_counters *counters);
bool name_is_valid(const char *name, size_t capacity);

#define LOAD(field) __atomic_load_n(&(field), __ATOMIC_ACQUIRE)
#define STORE(field, value) __atomic_store_n(&(field), (value), __ATOMIC_RELEASE)

#endif
