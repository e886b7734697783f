#include <cblas.h>
#include <stddef.h>

/* LAPACK, which OpenBLAS contains and has no header for: all eigenvalues, ascending, and eigenvectors, in the columns of `a`, of a
 * symmetric matrix. The last two arguments are the lengths of the two texts, which Fortran passes. */
void dsyev_(const char *job, const char *triangle, const int *order, double *a, const int *leading, double *eigenvalues,
            double *work, const int *work_length, int *info, size_t job_length, size_t triangle_length);
