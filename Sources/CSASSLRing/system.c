// Thin, honest wrappers of what Linux offers: clocks, futexes, locks that die with their holder, fork.
#define _GNU_SOURCE
#include "internal.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int fail(struct sassl_ring_error *error, int result, int system_errno, const char *format, ...) {
  if (error == NULL) return result;
  memset(error, 0, sizeof *error);
  error->result = result;
  error->system_errno = system_errno;
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(error->message, sizeof error->message, format, arguments);
  va_end(arguments);
  return result;
}

static uint64_t clock_ns(clockid_t clock) {
  struct timespec now;
  clock_gettime(clock, &now);
  return (uint64_t)now.tv_sec * 1000000000ull + (uint64_t)now.tv_nsec;
}

uint64_t monotonic_ns(void) { return clock_ns(CLOCK_MONOTONIC); }

uint64_t unix_ns(void) { return clock_ns(CLOCK_REALTIME); }

uint64_t own_start_ticks(void) { return start_ticks_of(getpid()); }

uint64_t start_ticks_of(int32_t process) {
  char text[1024];
  snprintf(text, sizeof text, "/proc/%d/stat", process);
  int descriptor = open(text, O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return 0;
  ssize_t count = read(descriptor, text, sizeof text - 1);
  close(descriptor);
  if (count <= 0) return 0;
  text[count] = 0;
  // The second field is the program's name in parentheses and may contain anything, so count from the last one.
  const char *cursor = strrchr(text, ')');
  unsigned long long ticks = 0;
  for (int field = 2; cursor != NULL && field < 22; field++) {
    cursor = strchr(cursor, ' ');
    if (cursor != NULL) cursor++;
  }
  return cursor != NULL && sscanf(cursor, "%llu", &ticks) == 1 ? ticks : 0;
}

static struct timespec timespec_of(uint64_t duration) {
  return (struct timespec){.tv_sec = (time_t)(duration / 1000000000ull), .tv_nsec = (long)(duration % 1000000000ull)};
}

void sleep_ns(uint64_t duration) {
  struct timespec remaining = timespec_of(duration);
  nanosleep(&remaining, NULL);
}

void futex_wait(uint32_t *word, uint32_t expected, uint64_t timeout_ns) {
  struct timespec timeout = timespec_of(timeout_ns);
  // Woken, timed out, interrupted or changed already: the caller looks at the counters in every case. Not FUTEX_PRIVATE_FLAG:
  // the other side is another process.
  syscall(SYS_futex, word, FUTEX_WAIT, expected, &timeout, NULL, 0);
}

void futex_raise(uint32_t *word) {
  // The addition comes before the wake, so that a sleeper that read the old value either sees the new one in
  // FUTEX_WAIT and does not sleep, or sleeps already and is woken.
  __atomic_fetch_add(word, 1, __ATOMIC_SEQ_CST);
  syscall(SYS_futex, word, FUTEX_WAKE, INT32_MAX, NULL, NULL, 0);
}

bool lock_byte(int descriptor, int byte) {
  struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1};
  return fcntl(descriptor, F_OFD_SETLK, &lock) == 0;
}

void drop_lock(int descriptor, int byte) {
  if (descriptor < 0) return;
  // Closing alone is not enough: a child of this process that is between fork and exec has a copy of the descriptor, and
  // the lock belongs to what both refer to.
  struct flock lock = {.l_type = F_UNLCK, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1};
  fcntl(descriptor, F_OFD_SETLK, &lock);
  close(descriptor);
}

bool byte_is_locked(int descriptor, int byte) {
  struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1};
  // When the kernel cannot answer, the safe belief is that the holder lives: we then wait, and time out with a word.
  return fcntl(descriptor, F_OFD_GETLK, &lock) != 0 || lock.l_type != F_UNLCK;
}

bool same_file(int descriptor, const char *path) {
  struct stat ours, named;
  return fstat(descriptor, &ours) == 0 && lstat(path, &named) == 0 && ours.st_dev == named.st_dev &&
         ours.st_ino == named.st_ino;
}

// Every live handle of this process, so that fork can disarm the child's copies.
static pthread_mutex_t guards_mutex = PTHREAD_MUTEX_INITIALIZER;
static struct fork_guard *guards;
static pthread_once_t guards_once = PTHREAD_ONCE_INIT;

static void before_fork(void) { pthread_mutex_lock(&guards_mutex); }

static void after_fork_in_parent(void) { pthread_mutex_unlock(&guards_mutex); }

static void after_fork_in_child(void) {
  for (struct fork_guard *guard = guards; guard != NULL; guard = guard->next) {
    __atomic_store_n(&guard->forked, 1, __ATOMIC_RELEASE);
    if (*guard->lock_descriptor >= 0) close(*guard->lock_descriptor);
    *guard->lock_descriptor = -1;
  }
  pthread_mutex_unlock(&guards_mutex);
}

static void install_fork_handlers(void) { pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child); }

void fork_guard_enter(struct fork_guard *guard, int *lock_descriptor) {
  pthread_once(&guards_once, install_fork_handlers);
  pthread_mutex_lock(&guards_mutex);
  guard->lock_descriptor = lock_descriptor;
  guard->previous = NULL;
  guard->next = guards;
  if (guards != NULL) guards->previous = guard;
  guards = guard;
  pthread_mutex_unlock(&guards_mutex);
}

void fork_guard_leave(struct fork_guard *guard) {
  pthread_mutex_lock(&guards_mutex);
  if (guard->previous != NULL) guard->previous->next = guard->next;
  if (guard->next != NULL) guard->next->previous = guard->previous;
  if (guards == guard) guards = guard->next;
  pthread_mutex_unlock(&guards_mutex);
}
