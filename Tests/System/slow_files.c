// Loaded before the C library, it stands for a slow disk: opening a file whose path contains $SLOW_FILES takes $SLOW_MILLISECONDS
// longer. With $SLOW_WHERE=disk that is so only for files that the page cache does not have, and with $SLOW_WHERE=everywhere for all.
#include "opening_files.h"
#include <sys/uio.h>

static int is_cached(int descriptor) {
  char byte;
  struct iovec part = {&byte, 1};
  return preadv2(descriptor, &part, 1, 0, RWF_NOWAIT) >= 0;
}

static int open_as(const char *name, const char *path, int flags, int mode) {
  int descriptor = open_really(name, path, flags, mode);
  int error = errno;
  if (descriptor >= 0 && strstr(path, getenv("SLOW_FILES")) != NULL) {
    if (strcmp(getenv("SLOW_WHERE"), "everywhere") == 0 || !is_cached(descriptor)) {
      usleep(1000 * atoi(getenv("SLOW_MILLISECONDS")));
    }
  }
  errno = error;
  return descriptor;
}
