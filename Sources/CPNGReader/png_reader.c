#include "png_reader.h"

#include <png.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct source {
  struct png_file *file;
  size_t position;
};

static void read_bytes(png_structp png, png_bytep target, size_t count) {
  struct source *source = png_get_io_ptr(png);
  if (count > source->file->count - source->position) {
    source->file->ends_early = true;
    png_error(png, "the data end too early");
  }
  memcpy(target, source->file->bytes + source->position, count);
  source->position += count;
}

static void fail(png_structp png, png_const_charp message) {
  struct png_file *file = png_get_error_ptr(png);
  snprintf(file->problem, sizeof file->problem, "%s", message);
  /* All the compressed data were there and still are too few. */
  if (strstr(message, "Not enough image data") != NULL) file->ends_early = true;
  png_longjmp(png, 1);
}

/* libpng has many words for want of memory, and does without it where the memory was for text or a colour profile; so it is noted here. */
static png_voidp allocate(png_structp png, png_alloc_size_t count) {
  struct png_file *file = png_get_mem_ptr(png);
  png_voidp memory = malloc(count);
  if (memory == NULL) file->out_of_memory = true;
  return memory;
}

static void release(png_structp png, png_voidp memory) {
  (void)png;
  free(memory);
}

/* What libpng only warns of does not change a pixel: damaged text, unusual colour profiles and the like. */
static void ignore_warning(png_structp png, png_const_charp message) {
  (void)png;
  (void)message;
}

static void read_rows(png_structp png, png_infop info, const struct png_file *file, uint8_t *target) {
  png_set_palette_to_rgb(png);
  png_set_expand_gray_1_2_4_to_8(png);
  png_set_scale_16(png);
  png_set_strip_alpha(png);
  png_set_gray_to_rgb(png);
  const int passes = png_set_interlace_handling(png);
  png_read_update_info(png, info);
  const size_t stride = (size_t)file->width * 3;
  if (png_get_rowbytes(png, info) != stride) png_error(png, "the rows do not have three bytes per pixel");
  for (int pass = 0; pass < passes; pass++) {
    for (size_t row = 0; row < file->height; row++) png_read_row(png, target + row * stride, NULL);
  }
  /* The checksum of the last data and the end of the file. */
  png_read_end(png, NULL);
}

static bool read_file(struct png_file *file, uint8_t *target) {
  struct source source = {.file = file, .position = 0};
  file->ends_early = false;
  file->out_of_memory = false;
  file->problem[0] = '\0';
  png_structp png =
      png_create_read_struct_2(PNG_LIBPNG_VER_STRING, file, fail, ignore_warning, file, allocate, release);
  png_infop info = png == NULL ? NULL : png_create_info_struct(png);
  if (info == NULL) {
    file->out_of_memory = true;
    snprintf(file->problem, sizeof file->problem, "libpng could not start");
    png_destroy_read_struct(&png, NULL, NULL);
    return false;
  }
  if (setjmp(png_jmpbuf(png))) {
    png_destroy_read_struct(&png, &info, NULL);
    return false;
  }
  png_set_read_fn(png, &source, read_bytes);
  png_read_info(png, info);
  if (target == NULL) {
    file->width = png_get_image_width(png, info);
    file->height = png_get_image_height(png, info);
  } else if (png_get_image_width(png, info) != file->width || png_get_image_height(png, info) != file->height) {
    png_error(png, "the size changed while reading");
  } else {
    read_rows(png, info, file, target);
  }
  png_destroy_read_struct(&png, &info, NULL);
  return true;
}

bool png_file_read_header(struct png_file *file) { return read_file(file, NULL); }

bool png_file_read_pixels(struct png_file *file, uint8_t *target) { return read_file(file, target); }
