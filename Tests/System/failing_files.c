// Loaded before the C library, it stands for a disk or a network that fails: as long as the file $FAILING_WHILE exists, opening a file
// whose path contains $FAILING_FILES fails with the error number in $FAILING_ERRNO, or with 0 there does not return.
#include "opening_files.h"

static int fails(const char *path) {
  return strstr(path, getenv("FAILING_FILES")) != NULL && access(getenv("FAILING_WHILE"), F_OK) == 0;
}

static int open_as(const char *name, const char *path, int flags, int mode) {
  while (fails(path)) {
    errno = atoi(getenv("FAILING_ERRNO"));
    if (errno != 0) return -1;
    usleep(10000);
  }
  return open_really(name, path, flags, mode);
}
