// A segment's file: its name, its checks, its mapping.
#define _GNU_SOURCE
#include "internal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

_Static_assert(sizeof(struct sassl_ring_field) == 128, "the layout is a contract");
_Static_assert(sizeof(struct sassl_ring_slot) == 64, "the layout is a contract");
_Static_assert(offsetof(struct sassl_ring_header, page_bytes) == 64, "the layout is a contract");
_Static_assert(offsetof(struct sassl_ring_header, name) == 168, "the layout is a contract");
_Static_assert(offsetof(struct sassl_ring_header, settings_offset) == 232, "the layout is a contract");
_Static_assert(offsetof(struct sassl_ring_header, published) == 256, "the layout is a contract");
_Static_assert(offsetof(struct sassl_ring_header, released) == 512, "the layout is a contract");
_Static_assert(sizeof(struct sassl_ring_header) <= SASSL_RING_HEADER_BYTES, "the header is one page");

bool name_is_valid(const char *name, size_t capacity) {
  size_t length = strnlen(name, capacity);
  if (length == 0 || length == capacity) return false;
  for (size_t index = 0; index < length; index++) {
    char letter = name[index];
    bool allowed = (letter >= 'A' && letter <= 'Z') || (letter >= 'a' && letter <= 'z') ||
                   (letter >= '0' && letter <= '9') || letter == '_' || letter == '-';
    if (!allowed) return false;
  }
  return true;
}

// Owners

int sassl_ring_user_is_trusted(uint32_t user, int64_t owner_id) {
  if (user == 0 || user == geteuid() || (owner_id >= 0 && user == (uid_t)owner_id)) return true;
  // Only where nothing simpler decides: the directory of users may be far away.
  char text[4096];
  struct passwd entry, *found = NULL;
  return getpwnam_r(SASSL_RING_SERVICE_USER, &entry, text, sizeof text, &found) == 0 && found != NULL &&
         found->pw_uid == user;
}

void sassl_ring_user_name(uint32_t user, char *words, size_t capacity) {
  char text[4096];
  struct passwd entry, *found = NULL;
  bool is_known = getpwuid_r(user, &entry, text, sizeof text, &found) == 0 && found != NULL;
  if (is_known) snprintf(words, capacity, "'%.64s' (%u)", found->pw_name, user);
  else snprintf(words, capacity, "%u", user);
}

static int foreign(struct sassl_ring_error *error, const char *path, uid_t owner) {
  char name[USER_NAME_BYTES];
  sassl_ring_user_name(owner, name, sizeof name);
  return fail(error, SASSL_RING_ERROR_OWNER, 0,
              "%.255s belongs to user %s, who is neither root, nor this user, nor the service's: choose another stream.name, or, "
              "where batches of that user are meant to be read, name the user when attaching (owner=)",
              path, name);
}

int segment_check_owner(int descriptor, const char *path, int64_t owner_id, uid_t *owner, struct sassl_ring_error *error) {
  struct stat status;
  if (fstat(descriptor, &status) != 0) {
    return fail(error, SASSL_RING_ERROR_SYSTEM, errno, "cannot examine %s: %s", path, strerror(errno));
  }
  *owner = status.st_uid;
  if (!sassl_ring_user_is_trusted(status.st_uid, owner_id)) return foreign(error, path, status.st_uid);
  if (S_ISREG(status.st_mode) && (status.st_mode & S_IWOTH) != 0) {
    return fail(error, SASSL_RING_ERROR_OWNER, 0,
                "everybody may write to %.255s (mode %04o), so nothing in it can be believed: 'chmod o-w' it, or restart sassld",
                path, status.st_mode & 07777u);
  }
  return SASSL_RING_OK;
}

int segment_refused(const char *path, int cause, int64_t owner_id, struct sassl_ring_error *error) {
  struct stat status;
  if (cause == EACCES && lstat(path, &status) == 0 && !sassl_ring_user_is_trusted(status.st_uid, owner_id)) {
    return foreign(error, path, status.st_uid);
  }
  const char *hint = cause == ELOOP    ? " (it is a symbolic link, which is never followed: remove it)"
                     : cause == EACCES ? " (this user must be in the group that the ring belongs to)"
                                       : "";
  return fail(error, SASSL_RING_ERROR_SYSTEM, cause, "cannot open %s: %s%s", path, strerror(cause), hint);
}

/// Whether outsiders can make names in the service's directory is for its owner and mode to say.
static bool service_directory_is_sound(void) {
  struct stat status;
  return lstat(SASSL_RING_SERVICE_DIRECTORY, &status) == 0 && S_ISDIR(status.st_mode) &&
         (status.st_mode & S_IWOTH) == 0 && sassl_ring_user_is_trusted(status.st_uid, NO_OTHER_OWNER);
}

int sassl_ring_path(const char *directory, const char *name, uint32_t rank, char *path, size_t path_bytes,
                    struct sassl_ring_error *error) {
  if (name == NULL || !name_is_valid(name, SASSL_RING_NAME_BYTES)) {
    return fail(error, SASSL_RING_ERROR_ARGUMENT, 0,
                "a ring's name is 1 to 63 letters, digits, '-' or '_'; '%.80s' is not", name == NULL ? "" : name);
  }
  if (directory == NULL) {
    snprintf(path, path_bytes, "%s/sassl.%s.%u", SASSL_RING_SERVICE_DIRECTORY, name, rank);
    struct stat status;
    bool is_there = service_directory_is_sound() && lstat(path, &status) == 0;
    directory = is_there ? SASSL_RING_SERVICE_DIRECTORY : SASSL_RING_DEFAULT_DIRECTORY;
  }
  int length = snprintf(path, path_bytes, "%s/sassl.%s.%u", directory, name, rank);
  if (length < 0 || (size_t)length >= path_bytes) {
    return fail(error, SASSL_RING_ERROR_ARGUMENT, 0, "the path of the ring's directory is too long: %.200s", directory);
  }
  return SASSL_RING_OK;
}

uint64_t sassl_ring_dtype_bytes(uint32_t dtype) {
  switch (dtype) {
    case SASSL_RING_UINT8: case SASSL_RING_INT8: case SASSL_RING_BOOL8: return 1;
    case SASSL_RING_UINT16: case SASSL_RING_INT16: case SASSL_RING_FLOAT16: case SASSL_RING_BFLOAT16: return 2;
    case SASSL_RING_UINT32: case SASSL_RING_INT32: case SASSL_RING_FLOAT32: return 4;
    case SASSL_RING_UINT64: case SASSL_RING_INT64: case SASSL_RING_FLOAT64: return 8;
    default: return 0;
  }
}

int segment_open(const char *path, int flags) {
  // O_NOFOLLOW: a link in a world-writable directory may lead anywhere. O_NONBLOCK: so may a FIFO that nobody opens.
  return open(path, flags | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
}

static int corrupt(struct sassl_ring_error *error, const char *path, const char *what) {
  return fail(error, SASSL_RING_ERROR_CORRUPT, 0, "%s is not a usable ring: %s", path, what);
}

bool read_fully(int descriptor, void *bytes, size_t count, uint64_t offset) {
  unsigned char *cursor = bytes;
  while (count > 0) {
    ssize_t got = pread(descriptor, cursor, count, (off_t)offset);
    if (got < 0 && errno == EINTR) continue;
    if (got == 0) errno = 0;
    if (got <= 0) return false;
    cursor += got;
    offset += (uint64_t)got;
    count -= (size_t)got;
  }
  return true;
}

static const char *field_fault(const struct sassl_ring_field *field, uint64_t payload_bytes) {
  if (!name_is_valid(field->name, SASSL_RING_FIELD_NAME_BYTES)) return "a field's name is not a name";
  uint64_t bytes = sassl_ring_dtype_bytes(field->dtype);
  if (bytes == 0) return "a field's element type is unknown";
  if (field->dimensions > SASSL_RING_MAXIMUM_DIMENSIONS) return "a field has too many dimensions";
  for (uint32_t axis = 0; axis < field->dimensions; axis++) {
    if (field->shape[axis] == 0) return "a field is empty";
    if (__builtin_mul_overflow(bytes, field->shape[axis], &bytes)) return "a field is too large";
  }
  if (bytes != field->bytes) return "a field's size does not follow from its shape";
  if (field->offset % SASSL_RING_FIELD_ALIGNMENT != 0) return "a field is not aligned";
  if (field->offset > payload_bytes || bytes > payload_bytes - field->offset) return "a field leaves its slot";
  return NULL;
}

int segment_inspect(int descriptor, const char *path, struct sassl_ring_geometry *geometry,
                    struct sassl_ring_field **fields, struct sassl_ring_error *error) {
  struct stat status;
  struct sassl_ring_header header;
  if (fstat(descriptor, &status) != 0) {
    return fail(error, SASSL_RING_ERROR_SYSTEM, errno, "cannot examine %s: %s", path, strerror(errno));
  }
  if (!S_ISREG(status.st_mode)) return corrupt(error, path, "not a regular file");
  if ((uint64_t)status.st_size < SASSL_RING_HEADER_BYTES) return corrupt(error, path, "shorter than its header");
  // One read into private memory: what is checked here is what is used, whatever the file says a moment later.
  if (!read_fully(descriptor, &header, sizeof header, 0)) return corrupt(error, path, "its header cannot be read");
  if (memcmp(header.magic, SASSL_RING_MAGIC, sizeof header.magic) != 0) return corrupt(error, path, "wrong magic");
  if (header.byte_order != SASSL_RING_BYTE_ORDER) return corrupt(error, path, "the other byte order");
  if (header.abi_version != SASSL_RING_ABI_VERSION) {
    int result = fail(error, SASSL_RING_ERROR_VERSION, 0,
                      "%s has ring format %u, this program reads format %u: update the older of the two", path,
                      header.abi_version, SASSL_RING_ABI_VERSION);
    if (error != NULL) error->needed = SASSL_RING_ABI_VERSION, error->available = header.abi_version;
    return result;
  }
  uint64_t page = header.page_bytes;
  uint64_t system_page = (uint64_t)sysconf(_SC_PAGESIZE);
  if (page < SASSL_RING_HEADER_BYTES || (page & (page - 1)) != 0 || page % system_page != 0) {
    return corrupt(error, path, "impossible page size");
  }
  if (header.slot_count == 0 || header.slot_count > SASSL_RING_MAXIMUM_SLOTS) {
    return corrupt(error, path, "impossible number of slots");
  }
  if (header.field_count == 0 || header.field_count > SASSL_RING_MAXIMUM_FIELDS) {
    return corrupt(error, path, "impossible number of fields");
  }
  if (!name_is_valid(header.name, sizeof header.name)) return corrupt(error, path, "its name is not a name");
  if (header.rank >= header.world_size) return corrupt(error, path, "its rank is not below its world size");
  uint64_t fields_end = page + (uint64_t)header.field_count * sizeof(struct sassl_ring_field);
  uint64_t slot_entries = (uint64_t)header.slot_count * sizeof(struct sassl_ring_slot);
  if (header.slots_offset < fields_end || header.slots_offset % sizeof(struct sassl_ring_slot) != 0 ||
      header.payload_offset % page != 0 || header.payload_offset < slot_entries ||
      header.slots_offset > header.payload_offset - slot_entries) {
    return corrupt(error, path, "its tables overlap");
  }
  if (header.settings_bytes != 0 &&
      (header.settings_bytes > SASSL_RING_MAXIMUM_SETTINGS_BYTES || header.settings_bytes > header.payload_offset ||
       header.settings_offset < header.slots_offset + slot_entries ||
       header.settings_offset > header.payload_offset - header.settings_bytes)) {
    return corrupt(error, path, "its settings are not between its slot table and its payload");
  }
  uint64_t all_slots, file_bytes;
  if (header.slot_bytes == 0 || header.slot_bytes % page != 0 || header.payload_bytes == 0 ||
      header.payload_bytes > header.slot_bytes ||
      __builtin_mul_overflow(header.slot_bytes, (uint64_t)header.slot_count, &all_slots) ||
      __builtin_add_overflow(header.payload_offset, all_slots, &file_bytes) || file_bytes != header.file_bytes) {
    return corrupt(error, path, "its slots do not add up");
  }
  if (file_bytes != (uint64_t)status.st_size) return corrupt(error, path, "the file has another size than it says");

  struct sassl_ring_field *table = calloc(header.field_count, sizeof *table);
  if (table == NULL) return fail(error, SASSL_RING_ERROR_SYSTEM, ENOMEM, "out of memory");
  const char *fault = NULL;
  if (!read_fully(descriptor, table, header.field_count * sizeof *table, page)) fault = "its fields cannot be read";
  for (uint32_t index = 0; fault == NULL && index < header.field_count; index++) {
    fault = field_fault(&table[index], header.payload_bytes);
    for (uint32_t earlier = 0; fault == NULL && earlier < index; earlier++) {
      if (strcmp(table[earlier].name, table[index].name) == 0) fault = "two fields have one name";
    }
  }
  if (fault != NULL) {
    free(table);
    return corrupt(error, path, fault);
  }
  memset(geometry, 0, sizeof *geometry);
  memcpy(geometry->instance, header.instance, sizeof geometry->instance);
  memcpy(geometry->fingerprint, header.fingerprint, sizeof geometry->fingerprint);
  memcpy(geometry->name, header.name, sizeof geometry->name);
  geometry->slot_count = header.slot_count;
  geometry->field_count = header.field_count;
  geometry->batch_size = header.batch_size;
  geometry->rank = header.rank;
  geometry->world_size = header.world_size;
  geometry->page_bytes = header.page_bytes;
  geometry->slots_offset = header.slots_offset;
  geometry->payload_offset = header.payload_offset;
  geometry->slot_bytes = header.slot_bytes;
  geometry->payload_bytes = header.payload_bytes;
  geometry->file_bytes = header.file_bytes;
  geometry->batches_per_epoch = header.batches_per_epoch;
  geometry->producer_pid = header.producer_pid;
  geometry->cpu_path = header.cpu_path;
  geometry->producer_start_ticks = header.producer_start_ticks;
  geometry->created_unix_ns = header.created_unix_ns;
  geometry->created_ns = header.created_ns;
  geometry->settings_offset = header.settings_offset;
  geometry->settings_bytes = header.settings_bytes;
  *fields = table;
  return SASSL_RING_OK;
}

int segment_settings(int descriptor, const char *path, const struct sassl_ring_geometry *geometry, char **settings,
                     struct sassl_ring_error *error) {
  char *text = calloc(geometry->settings_bytes + 1, 1);
  if (text == NULL) return fail(error, SASSL_RING_ERROR_SYSTEM, ENOMEM, "out of memory");
  if (!read_fully(descriptor, text, geometry->settings_bytes, geometry->settings_offset)) {
    free(text);
    return corrupt(error, path, "its settings cannot be read");
  }
  *settings = text;
  return SASSL_RING_OK;
}

int segment_map(int descriptor, const char *path, const struct sassl_ring_geometry *geometry,
                struct sassl_ring_field *fields, enum mapping_access access, struct sassl_ring_mapping **result,
                struct sassl_ring_error *error) {
  struct sassl_ring_mapping *mapping = calloc(1, sizeof *mapping);
  if (mapping == NULL) {
    free(fields);
    return fail(error, SASSL_RING_ERROR_SYSTEM, ENOMEM, "out of memory");
  }
  mapping->references = 1;
  mapping->geometry = *geometry;
  mapping->fields = fields;
  mapping->header_mapped = geometry->page_bytes;
  mapping->body_mapped = geometry->file_bytes - geometry->page_bytes;
  int header_protection = access == MAP_FOR_OBSERVER ? PROT_READ : PROT_READ | PROT_WRITE;
  int body_protection = access == MAP_FOR_PRODUCER ? PROT_READ | PROT_WRITE : PROT_READ;
  void *header = mmap(NULL, mapping->header_mapped, header_protection, MAP_SHARED, descriptor, 0);
  void *body = mmap(NULL, mapping->body_mapped, body_protection, MAP_SHARED, descriptor, geometry->page_bytes);
  if (header == MAP_FAILED || body == MAP_FAILED) {
    int system_errno = errno;
    if (header != MAP_FAILED) munmap(header, mapping->header_mapped);
    if (body != MAP_FAILED) munmap(body, mapping->body_mapped);
    free(fields);
    free(mapping);
    return fail(error, SASSL_RING_ERROR_SYSTEM, system_errno, "cannot map %s: %s", path, strerror(system_errno));
  }
  mapping->header = header;
  mapping->body = body;
  if (access == MAP_FOR_CONSUMER) {
    mapping->handed_out = calloc(geometry->slot_count, sizeof *mapping->handed_out);
    if (mapping->handed_out == NULL) {
      sassl_ring_mapping_release(mapping);
      return fail(error, SASSL_RING_ERROR_SYSTEM, ENOMEM, "out of memory");
    }
    faults_watch(mapping);
  }
  *result = mapping;
  return SASSL_RING_OK;
}

void sassl_ring_mapping_retain(struct sassl_ring_mapping *mapping) {
  __atomic_fetch_add(&mapping->references, 1, __ATOMIC_RELAXED);
}

void sassl_ring_mapping_release(struct sassl_ring_mapping *mapping) {
  if (__atomic_sub_fetch(&mapping->references, 1, __ATOMIC_ACQ_REL) > 0) return;
  if (mapping->handed_out != NULL) faults_forget(mapping);
  munmap(mapping->header, mapping->header_mapped);
  munmap(mapping->body, mapping->body_mapped);
  free(mapping->handed_out);
  free(mapping->fields);
  free(mapping);
}

const struct sassl_ring_geometry *sassl_ring_mapping_geometry(const struct sassl_ring_mapping *mapping) {
  return &mapping->geometry;
}

const struct sassl_ring_field *sassl_ring_mapping_fields(const struct sassl_ring_mapping *mapping) {
  return mapping->fields;
}

static uint64_t smaller(uint64_t left, uint64_t right) { return left < right ? left : right; }

/// Words in a header have any value. What is made of them here has one that was possible at some time.
static void make_possible(const struct sassl_ring_geometry *geometry, struct sassl_ring_counters *counters) {
  uint64_t published = counters->published;
  if (counters->released > published) counters->released = published;
  if (published - counters->released > geometry->slot_count) counters->released = published - geometry->slot_count;
  if (counters->taken < counters->released) counters->taken = counters->released;
  if (counters->taken > published) counters->taken = published;
  counters->dropped = smaller(counters->dropped, counters->taken);
  counters->producing = smaller(counters->producing, geometry->slot_count);
  counters->next_batch = smaller(counters->next_batch, SASSL_RING_MAXIMUM_NUMBER);
  counters->reader_next = smaller(counters->reader_next, SASSL_RING_MAXIMUM_NUMBER);
  counters->seek_target = smaller(counters->seek_target, SASSL_RING_MAXIMUM_NUMBER);
  uint64_t now = counters->now_ns;
  uint64_t age = now > geometry->created_ns ? now - geometry->created_ns : 0;
  counters->producer_waited_ns = smaller(counters->producer_waited_ns, age);
  counters->consumer_waited_ns = smaller(counters->consumer_waited_ns, age);
  counters->heartbeat_ns = smaller(counters->heartbeat_ns, now);
  counters->consumer_attached_ns = smaller(counters->consumer_attached_ns, now);
}

static uint64_t with_present_wait(uint64_t waited, uint64_t since, uint64_t now) {
  return since != 0 && since < now ? waited + (now - since) : waited;
}

void segment_counters(const struct sassl_ring_mapping *mapping, int descriptor, const struct producer_copy *own,
                      bool own_consumer, struct sassl_ring_counters *counters) {
  struct sassl_ring_header *header = mapping->header;
  memset(counters, 0, sizeof *counters);
  // `released` before `published`: both only grow and released never passes published, so neither does this pair.
  counters->released = LOAD(header->released);
  counters->taken = LOAD(header->taken);
  counters->reader_next = LOAD(header->reader_next);
  counters->seek_target = LOAD(header->seek_target);
  counters->seek_requested = LOAD(header->seek_requested);
  counters->dropped = LOAD(header->dropped);
  counters->consumer_pid = LOAD(header->consumer_pid);
  counters->consumer_start_ticks = LOAD(header->consumer_start_ticks);
  counters->consumer_attached_ns = LOAD(header->consumer_attached_ns);
  struct producer_copy copy = own != NULL ? *own
                                            : (struct producer_copy){
                                                  .published = LOAD(header->published),
                                                  .next_batch = LOAD(header->next_batch),
                                                  .seek_acknowledged = LOAD(header->seek_acknowledged),
                                                  .heartbeat_ns = LOAD(header->heartbeat_ns),
                                                  .producing = LOAD(header->producing),
                                                  .waited_ns = LOAD(header->producer_waited_ns),
                                                  .waiting_since_ns = LOAD(header->producer_waiting_since_ns),
                                                  .state = LOAD(header->producer_state),
                                              };
  counters->published = copy.published;
  counters->next_batch = copy.next_batch;
  counters->seek_acknowledged = copy.seek_acknowledged;
  counters->heartbeat_ns = copy.heartbeat_ns;
  counters->producing = copy.producing;
  counters->producer_state = copy.state;
  counters->producer_alive = own != NULL || byte_is_locked(descriptor, SASSL_RING_PRODUCER_LOCK);
  counters->consumer_alive = own_consumer || byte_is_locked(descriptor, SASSL_RING_CONSUMER_LOCK);
  uint64_t now = counters->now_ns = monotonic_ns();
  counters->producer_waited_ns =
      with_present_wait(copy.waited_ns, counters->producer_alive ? copy.waiting_since_ns : 0, now);
  counters->consumer_waited_ns = with_present_wait(
      LOAD(header->consumer_waited_ns), counters->consumer_alive ? LOAD(header->consumer_waiting_since_ns) : 0, now);
  make_possible(&mapping->geometry, counters);
}
