// Swift's module of the C library names hypotf, of which glibc 2.35 has a new version. A program that links its own runs
// on the glibc 2.34 of RHEL 9 and its relatives too; it needs nothing else that is newer.
#include "sassl_glibc.h"

#include <math.h>

float hypotf(float x, float y) {
  if (isinf(x) || isinf(y)) return INFINITY;
  // In double precision the squares of floats are exact and neither overflow nor vanish.
  return (float)sqrt((double)x * x + (double)y * y);
}
