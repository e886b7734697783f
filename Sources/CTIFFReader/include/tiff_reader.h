/* Reads the first page of TIFF files into packed 8-bit RGB.
 *
 * libtiff tells errors and warnings to functions with variable arguments, which Swift cannot write. It warns of damage and goes on; here
 * every warning about pixels is an error. Each file has handlers of its own, so nothing is printed and threads do not mix. */
#ifndef TIFF_READER_H
#define TIFF_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum tiff_file_fault {
  TIFF_FILE_CORRUPT,       /* the data contradict themselves */
  TIFF_FILE_ENDS_EARLY,    /* more bytes were needed than there are */
  TIFF_FILE_UNSUPPORTED,   /* a valid file of a kind that is not decoded */
  TIFF_FILE_OUT_OF_MEMORY, /* memory was refused, so nothing is known about the file */
};

struct tiff_file {
  const uint8_t *bytes;
  size_t count;
  uint32_t width, height;     /* of the stored picture; set by tiff_file_read_header */
  uint16_t orientation;       /* as the file names it, 0 where it does not; set by tiff_file_read_header */
  uint8_t *xmp;               /* the XMP packet or NULL, for the caller to free; set by tiff_file_read_header */
  size_t xmp_count;           /* its bytes */
  enum tiff_file_fault fault; /* after a failure */
  char problem[200];          /* after a failure: what is wrong, in libtiff's words where they are libtiff's */
};

/* Reads size and metadata, and refuses what is not decoded. Returns false after a failure. Allocates nothing that depends on the size. */
bool tiff_file_read_header(struct tiff_file *file);

/* Reads the picture as it is stored into width * height * 3 bytes: gray is repeated, alpha is dropped (and what was multiplied by it is
 * divided again), 16-bit samples are rounded, inks are converted as R = (255 - C)(255 - K) / 255, colour profiles are ignored. Returns
 * false after a failure. */
bool tiff_file_read_pixels(struct tiff_file *file, uint8_t *target);

#endif
