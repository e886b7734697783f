// Which kernels this process uses.
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "style_kernels.h"

extern const style_kernels style_kernels_portable;
#if defined(__x86_64__)
extern const style_kernels style_kernels_avx2, style_kernels_avx512;
#endif

const style_kernels *style_kernels_for(style_path path) {
  switch (path) {
    case STYLE_PATH_PORTABLE: return &style_kernels_portable;
#if defined(__x86_64__)
    case STYLE_PATH_AVX2:
      return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? &style_kernels_avx2 : NULL;
    case STYLE_PATH_AVX512:
      return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
                     __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw") &&
                     __builtin_cpu_supports("fma")
                 ? &style_kernels_avx512
                 : NULL;
#endif
    default: return NULL;
  }
}

static const style_kernels *choose(void) {
  static const char *const names[] = {"portable", "avx2", "avx512"};
  const char *const wanted = getenv("SASSL_CPU");
  if (wanted != NULL && *wanted != '\0') {
    for (int path = STYLE_PATH_PORTABLE; path <= STYLE_PATH_AVX512; path++) {
      if (strcmp(wanted, names[path]) != 0) continue;
      const style_kernels *const kernels = style_kernels_for((style_path)path);
      if (kernels != NULL) return kernels;
      fprintf(stderr, "SASSL_CPU=%s: this CPU has no such instructions; using the widest it has\n", wanted);
    }
    if (strcmp(wanted, names[0]) != 0 && strcmp(wanted, names[1]) != 0 && strcmp(wanted, names[2]) != 0)
      fprintf(stderr, "SASSL_CPU=%s is unknown (avx512, avx2 or portable); using the widest this CPU has\n", wanted);
  }
  for (int path = STYLE_PATH_AVX512; path > STYLE_PATH_PORTABLE; path--) {
    const style_kernels *const kernels = style_kernels_for((style_path)path);
    if (kernels != NULL) return kernels;
  }
  return &style_kernels_portable;
}

const style_kernels *style_kernels_selected(void) {
  // Two threads may both choose at first; they choose the same.
  static _Atomic(const style_kernels *) selected;
  const style_kernels *kernels = atomic_load_explicit(&selected, memory_order_acquire);
  if (kernels == NULL) {
    kernels = choose();
    atomic_store_explicit(&selected, kernels, memory_order_release);
  }
  return kernels;
}
