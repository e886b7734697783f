// A sentence for whoever writes to a batch: its memory is mapped read-only, and a bare segmentation fault says nothing.
#define _GNU_SOURCE
#include "internal.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

/// Mappings whose batches are named. More are not worth a name: a process reads one ring, or a few.
#define MOST_MAPPINGS 64

/// Where the payload of a mapping lies. `mapping` is followed only for an address inside, whose user keeps it mapped.
struct payload_range {
  uintptr_t start;  // atomic; 0 where there is none
  uintptr_t end;
  const struct sassl_ring_mapping *mapping;
};

static pthread_mutex_t ranges_mutex = PTHREAD_MUTEX_INITIALIZER;
static struct payload_range ranges[MOST_MAPPINGS];
static struct sigaction former;
static pthread_once_t installed = PTHREAD_ONCE_INIT;

void faults_watch(const struct sassl_ring_mapping *mapping) {
  pthread_mutex_lock(&ranges_mutex);
  for (size_t index = 0; index < MOST_MAPPINGS; index++) {
    struct payload_range *range = &ranges[index];
    if (LOAD(range->start) != 0) continue;
    uintptr_t start = (uintptr_t)mapping_payload(mapping, 0);
    range->mapping = mapping;
    range->end = start + mapping->geometry.slot_count * mapping->geometry.slot_bytes;
    STORE(range->start, start);
    break;
  }
  pthread_mutex_unlock(&ranges_mutex);
}

void faults_forget(const struct sassl_ring_mapping *mapping) {
  pthread_mutex_lock(&ranges_mutex);
  for (size_t index = 0; index < MOST_MAPPINGS; index++) {
    if (ranges[index].mapping != mapping) continue;
    STORE(ranges[index].start, (uintptr_t)0);
    ranges[index].mapping = NULL;
  }
  pthread_mutex_unlock(&ranges_mutex);
}

/// A sentence that grows; printf may not be called in a signal handler.
struct fault_sentence {
  char bytes[512];
  size_t count;
};

static void say(struct fault_sentence *sentence, const char *words) {
  while (*words != 0 && sentence->count < sizeof sentence->bytes) sentence->bytes[sentence->count++] = *words++;
}

static void say_number(struct fault_sentence *sentence, uint64_t number) {
  char digits[21];
  size_t first = sizeof digits - 1;
  digits[first] = 0;
  do digits[--first] = (char)('0' + number % 10);
  while ((number /= 10) != 0);
  say(sentence, digits + first);
}

static void describe(const struct sassl_ring_mapping *mapping, uintptr_t address) {
  uint64_t offset = address - (uintptr_t)mapping_payload(mapping, 0);
  uint64_t slot = offset / mapping->geometry.slot_bytes, within = offset % mapping->geometry.slot_bytes;
  const char *array = "an array";
  for (uint32_t index = 0; index < mapping->geometry.field_count; index++) {
    const struct sassl_ring_field *field = &mapping->fields[index];
    if (within >= field->offset && within < field->offset + field->bytes) array = field->name;
  }
  struct fault_sentence sentence = {.count = 0};
  say(&sentence, "sassl: something writes to ");
  say(&sentence, array);
  say(&sentence, " of batch ");
  say_number(&sentence, LOAD(mapping->handed_out[slot]));
  say(&sentence, " of the ring '");
  say(&sentence, mapping->geometry.name);
  say(&sentence, "', which is shared memory and read-only. Work on a copy: array.copy(), tensor.clone() or tensor.to(device)\n");
  // Where nobody hears it, there is nothing left to try.
  (void)!write(STDERR_FILENO, sentence.bytes, sentence.count);
}

static void explain(int signal_number, siginfo_t *information, void *context) {
  (void)context;
  uintptr_t address = (uintptr_t)information->si_addr;
  for (size_t index = 0; index < MOST_MAPPINGS; index++) {
    uintptr_t start = LOAD(ranges[index].start);
    if (start == 0 || address < start || address >= ranges[index].end) continue;
    describe(ranges[index].mapping, address);
    break;
  }
  // Back to whoever was asked before, or to the system's own way: returning repeats the access, and the signal with it.
  sigaction(signal_number, &former, NULL);
}

static void install(void) {
  struct sigaction action = {.sa_sigaction = explain, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER};
  sigemptyset(&action.sa_mask);
  sigaction(SIGSEGV, &action, &former);
}

void sassl_ring_explain_writes(void) { pthread_once(&installed, install); }
