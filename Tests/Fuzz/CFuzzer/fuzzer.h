// What libFuzzer offers and expects, as a program with a `main` of its own sees it.
#pragma once

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);
int LLVMFuzzerRunDriver(int *count, char ***arguments, int (*target)(const uint8_t *bytes, size_t count));

/// Fuzzes `LLVMFuzzerTestOneInput` as the arguments say, and returns the exit status.
static inline int run_fuzzer(int count, char **arguments) {
  return LLVMFuzzerRunDriver(&count, &arguments, LLVMFuzzerTestOneInput);
}
