#include "png_reader.h"

#include <png.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

struct source {
  struct png_file *file;
  size_t position;
};

/* What libpng is told to remember about a file while it reads. */
struct state {
  struct png_file *file;
  bool is_interlaced;
  bool is_whole; /* after a failure: every row is decoded, and what follows is no part of the picture */
  bool is_wrong; /* zlib says that the rows are damaged */
};

static void read_bytes(png_structp png, png_bytep target, size_t count) {
  struct source *source = png_get_io_ptr(png);
  if (count > source->file->count - source->position) {
    source->file->ends_early = true;
    png_error(png, "the data end too early");
  }
  memcpy(target, source->file->bytes + source->position, count);
  source->position += count;
  if ((png_get_io_state(png) & PNG_IO_MASK_LOC) != PNG_IO_CHUNK_HDR) return;
  /* libpng takes all of a chunk or nothing; of one that is cut off it gets what there is, which may be all rows. */
  const size_t left = source->file->count - source->position;
  if (memcmp(target + 4, "IDAT", 4) == 0 && png_get_uint_32(target) > left) png_save_uint_32(target, (png_uint_32)left);
}

/* Reading the last row goes on to the end of the data, so failures there come too late to matter. */
static bool has_every_row(png_structp png, const struct state *state) {
  if (state->is_interlaced) return png_get_current_pass_number(png) >= PNG_INTERLACE_ADAM7_PASSES;
  return state->file->height > 0 && png_get_current_row_number(png) >= state->file->height;
}

static void fail(png_structp png, png_const_charp message) {
  struct state *state = png_get_error_ptr(png);
  struct png_file *file = state->file;
  state->is_whole = has_every_row(png, state);
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

/* What libpng only warns of does not change a pixel: damaged text, unusual colour profiles and the like. But zlib finds out at the end, when all
 * rows have been given out, that they were not what was packed; only that there is more is no fault of the rows. */
static void note_warning(png_structp png, png_const_charp message) {
  struct state *state = png_get_error_ptr(png);
  const char *harmless[] = {"IDAT: Extra compressed data", "IDAT: Too much image data"};
  if (strncmp(message, "IDAT: ", 6) != 0) return;
  for (size_t index = 0; index < sizeof harmless / sizeof harmless[0]; index++) {
    if (strncmp(message, harmless[index], strlen(harmless[index])) == 0) return;
  }
  state->is_wrong = true;
}

static void read_rows(png_structp png, png_infop info, struct state *state, uint8_t *target) {
  const struct png_file *file = state->file;
  png_set_palette_to_rgb(png);
  png_set_expand_gray_1_2_4_to_8(png);
  png_set_scale_16(png);
  png_set_strip_alpha(png);
  png_set_gray_to_rgb(png);
  const int passes = png_set_interlace_handling(png);
  state->is_interlaced = passes > 1;
  png_read_update_info(png, info);
  const size_t stride = (size_t)file->width * 3;
  if (png_get_rowbytes(png, info) != stride) png_error(png, "the rows do not have three bytes per pixel");
  for (int pass = 0; pass < passes; pass++) {
    for (size_t row = 0; row < file->height; row++) png_read_row(png, target + row * stride, NULL);
  }
}

static bool read_file(struct png_file *file, uint8_t *target) {
  struct source source = {.file = file, .position = 0};
  struct state state = {.file = file};
  file->ends_early = false;
  file->out_of_memory = false;
  file->problem[0] = '\0';
  png_structp png =
      png_create_read_struct_2(PNG_LIBPNG_VER_STRING, &state, fail, note_warning, file, allocate, release);
  png_infop info = png == NULL ? NULL : png_create_info_struct(png);
  if (info == NULL) {
    file->out_of_memory = true;
    snprintf(file->problem, sizeof file->problem, "libpng could not start");
    png_destroy_read_struct(&png, NULL, NULL);
    return false;
  }
  if (setjmp(png_jmpbuf(png))) {
    png_destroy_read_struct(&png, &info, NULL);
    return target != NULL && state.is_whole && !state.is_wrong && !file->out_of_memory;
  }
  /* No pixel depends on texts and suggested palettes, of which there may be a thousand, each of a few bytes that become 8 MB. 1 has libpng
   * skip them all (0 is no limit); PNGChunks.swift reads the few that matter, within bounds. */
  png_set_chunk_cache_max(png, 1);
  png_set_read_fn(png, &source, read_bytes);
  png_read_info(png, info);
  if (target == NULL) {
    file->width = png_get_image_width(png, info);
    file->height = png_get_image_height(png, info);
  } else if (png_get_image_width(png, info) != file->width || png_get_image_height(png, info) != file->height) {
    png_error(png, "the size changed while reading");
  } else {
    /* The checksum of a chunk of data tells less than zlib's of all of them, which comes with the last. */
    png_set_crc_action(png, PNG_CRC_QUIET_USE, PNG_CRC_NO_CHANGE);
    read_rows(png, info, &state, target);
    /* Nothing that follows can make a whole picture a damaged one. */
    if (state.is_wrong) png_error(png, "the compressed data or their checksum are wrong");
  }
  png_destroy_read_struct(&png, &info, NULL);
  return true;
}

bool png_file_read_header(struct png_file *file) { return read_file(file, NULL); }

bool png_file_read_pixels(struct png_file *file, uint8_t *target) { return read_file(file, target); }

ptrdiff_t png_text_decompress(const uint8_t *text, size_t count, uint8_t *target, size_t capacity) {
  uLongf length = capacity;
  return uncompress(target, &length, text, count) == Z_OK ? (ptrdiff_t)length : -1;
}
