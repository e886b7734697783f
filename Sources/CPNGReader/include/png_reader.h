/* Reads PNG files into packed 8-bit RGB.
 *
 * libpng reports errors by longjmp, which may not cross Swift frames; here it stays within one C function. (libpng's simplified interface
 * has no jumps, but several releases of it give
 * wrong pixels for interlaced files with 16 bits per sample.) */
#ifndef PNG_READER_H
#define PNG_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct png_file {
  const uint8_t *bytes;
  size_t count;
  uint32_t width, height; /* set by png_file_read_header */
  bool ends_early;        /* after a failure: whether more bytes were needed than there are */
  bool out_of_memory;     /* after a failure: whether memory was refused, so that nothing is known about the file */
  char problem[120];      /* after a failure: libpng's words for it */
};

/* Reads the size. Returns false after a failure. Allocates nothing that depends on it. */
bool png_file_read_header(struct png_file *file);

/* Reads the picture into width * height * 3 bytes: gray is repeated, alpha and transparency are dropped, 16-bit samples are rounded,
 * gamma and colour profiles are ignored. Returns false after a failure. A picture of which every pixel is there is whole, whatever becomes of what
 * follows its data; where the checksum of all data (zlib's own) is there, it must be right. */
bool png_file_read_pixels(struct png_file *file, uint8_t *target);

/* Decompresses the text of a chunk. Returns how many bytes that are, or -1 where it is damaged or more than `capacity`. */
ptrdiff_t png_text_decompress(const uint8_t *text, size_t count, uint8_t *target, size_t capacity);

#endif
