/* Preloaded, moves the clock on the wall for a program by as many seconds as the file named by JUMPING_CLOCK holds, a 64-bit integer that may
 * change at any time. Every other clock stays as it is, as on a machine whose clock is set. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static volatile const int64_t *jump;

__attribute__((constructor)) static void find_jump(void) {
  const char *name = getenv("JUMPING_CLOCK");
  const int file = open(name == NULL ? "" : name, O_RDONLY | O_CLOEXEC);
  if (file < 0) abort();
  jump = mmap(NULL, sizeof *jump, PROT_READ, MAP_SHARED, file, 0);
  if (jump == MAP_FAILED) abort();
  close(file);
}

int clock_gettime(clockid_t clock, struct timespec *now) {
  const int result = (int)syscall(SYS_clock_gettime, clock, now);
  if (result == 0 && jump != NULL && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) now->tv_sec += *jump;
  return result;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
  (void)zone;
  struct timespec exact;
  clock_gettime(CLOCK_REALTIME, &exact);
  now->tv_sec = exact.tv_sec;
  now->tv_usec = exact.tv_nsec / 1000;
  return 0;
}

time_t time(time_t *copy) {
  struct timespec exact;
  clock_gettime(CLOCK_REALTIME, &exact);
  if (copy != NULL) *copy = exact.tv_sec;
  return exact.tv_sec;
}
