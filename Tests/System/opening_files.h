// For what is loaded before the C library and opens files in its place: `open` and `open64` call `open_as`, which the file that
// includes this defines; `open_really` is the C library's own.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int open_as(const char *name, const char *path, int flags, int mode);

static int open_really(const char *name, const char *path, int flags, int mode) {
  return ((int (*)(const char *, int, ...))dlsym(RTLD_NEXT, name))(path, flags, mode);
}

#define DEFINE(name)                                \
  int name(const char *path, int flags, ...) {      \
    va_list arguments;                              \
    va_start(arguments, flags);                     \
    int mode = va_arg(arguments, int);              \
    va_end(arguments);                              \
    return open_as(#name, path, flags, mode);       \
  }

DEFINE(open)
DEFINE(open64)
