/* Reads JPEG files into packed 8-bit pixels, and tells whole pictures from damaged ones.
 *
 * libjpeg completes what is missing, warns, and keeps the last warning alone; so a harmless one would hide the damage before it. Here every
 * warning is looked at when it comes. Errors leave libjpeg by longjmp, which may not cross Swift frames and stays within one C function. */
#ifndef JPEG_READER_H
#define JPEG_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum jpeg_file_fault {
  JPEG_FILE_CORRUPT,       /* the data contradict themselves */
  JPEG_FILE_ENDS_EARLY,    /* more bytes were needed than there are */
  JPEG_FILE_UNSUPPORTED,   /* a valid file of a kind that libjpeg does not decode */
  JPEG_FILE_OUT_OF_MEMORY, /* memory was refused, so nothing is known about the file */
};

struct jpeg_file {
  const uint8_t *bytes;
  size_t count;
  uint32_t width, height;     /* of the stored picture; set by jpeg_file_read_header */
  bool is_cmyk;               /* four samples per pixel, CMYK, instead of RGB; set by jpeg_file_read_header */
  enum jpeg_file_fault fault; /* after a failure */
  char problem[200];          /* after a failure: what is wrong, in libjpeg's words where they are libjpeg's */
};

/* Reads the size. Returns false after a failure. Allocates nothing that depends on the size. */
bool jpeg_file_read_header(struct jpeg_file *file);

/* Decodes at 1/`reduction` (1, 2, 4 or 8) of the size, sides rounded up, into packed rows of RGB or CMYK as the header says. Returns
 * false after a failure, and that is also where libjpeg would complete a damaged picture. A picture of which every pixel is there is whole, whatever
 * becomes of the end marker and of what follows the data. */
bool jpeg_file_read_pixels(struct jpeg_file *file, unsigned reduction, uint8_t *target);

#endif
