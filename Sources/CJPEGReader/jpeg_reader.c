#include "jpeg_reader.h"

#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <jpeglib.h>

#include <jerror.h>

/* A progressive file may repeat scans without end; the limit keeps one hostile file from holding a worker. It is TurboJPEG's. */
static const int maximum_scans = 500;

/* The entropy decoder takes up to eight bytes ahead, and encoders fill up to a word. What is left over beyond that was meant to be decoded. */
static const size_t spare_bytes = 16;

struct reader {
  struct jpeg_decompress_struct info; /* first, so that libjpeg's pointers to it are pointers to the reader */
  struct jpeg_error_mgr errors;
  struct jpeg_source_mgr source;
  struct jpeg_progress_mgr progress;
  struct jpeg_file *file;
  bool ended; /* the bytes are used up, and an end marker was put behind them */
  jmp_buf failure;
};

_Noreturn static void fail(struct reader *reader, enum jpeg_file_fault fault, const char *problem) {
  reader->file->fault = fault;
  snprintf(reader->file->problem, sizeof reader->file->problem, "%s", problem);
  longjmp(reader->failure, 1);
}

_Noreturn static void fail_with_message(struct reader *reader, enum jpeg_file_fault fault) {
  char message[JMSG_LENGTH_MAX];
  reader->errors.format_message((j_common_ptr)&reader->info, message);
  fail(reader, fault, message);
}

static void on_error(j_common_ptr info) {
  enum jpeg_file_fault fault;
  switch (info->err->msg_code) {
    case JERR_OUT_OF_MEMORY: fault = JPEG_FILE_OUT_OF_MEMORY; break;
    case JERR_INPUT_EMPTY:
    case JERR_INPUT_EOF:
    case JERR_NO_IMAGE:
    case JERR_SOF_NO_SOS: fault = JPEG_FILE_ENDS_EARLY; break;
    case JERR_SOF_UNSUPPORTED:
    case JERR_BAD_PRECISION:
    case JERR_CONVERSION_NOTIMPL:
    case JERR_ARITH_NOTIMPL:
    case JERR_CCIR601_NOTIMPL:
    case JERR_FRACT_SAMPLE_NOTIMPL:
    case JERR_BAD_DCTSIZE:
    case JERR_UNKNOWN_MARKER:
    case JERR_EMPTY_IMAGE: fault = JPEG_FILE_UNSUPPORTED; break;
    default: fault = JPEG_FILE_CORRUPT; break;
  }
  fail_with_message((struct reader *)info, fault);
}

static bool are_equal(const uint8_t *bytes, size_t count) {
  for (size_t index = 1; index < count; index++) {
    if (bytes[index] != bytes[0]) return false;
  }
  return true;
}

/* Whether bytes that no scan has used, before a marker of the picture, are more than padding: then the decoder lost its place. */
static bool are_lost_data(const uint8_t *bytes, size_t count) { return count > spare_bytes && !are_equal(bytes, count); }

/* Stray bytes before a marker. Among the tables they are harmless; after a scan they may be what it should have used. */
static bool lost_data_before_marker(const struct reader *reader) {
  if (reader->info.input_scan_number == 0) return false;
  const size_t count = (size_t)reader->errors.msg_parm.i[0];
  const int marker = reader->errors.msg_parm.i[1];
  if (marker >= JPEG_RST0 && marker <= JPEG_RST0 + 7) return true;
  /* Behind the last data, so before an end marker that is none: whatever it is, it is not the picture. */
  if (reader->ended) return false;
  const size_t position = (size_t)(reader->source.next_input_byte - reader->file->bytes);
  return position < count || are_lost_data(reader->source.next_input_byte - count, count);
}

/* What libjpeg warns of, one by one. All that is harmless here occurs in published image sets. */
static void on_message(j_common_ptr info, int level) {
  if (level >= 0) return;
  struct reader *reader = (struct reader *)info;
  switch (info->err->msg_code) {
    case JWRN_ADOBE_XFORM:
    case JWRN_BOGUS_ICC:
    case JWRN_JFIF_MAJOR:
    case JWRN_NOT_SEQUENTIAL: return;
    case JWRN_EXTRANEOUS_DATA:
      if (!lost_data_before_marker(reader)) return;
      break;
    case JWRN_HIT_MARKER:
      if (reader->info.unread_marker == JPEG_EOI) fail_with_message(reader, JPEG_FILE_ENDS_EARLY);
      break;
  }
  fail_with_message(reader, JPEG_FILE_CORRUPT);
}

static void on_progress(j_common_ptr info) {
  struct reader *reader = (struct reader *)info;
  if (reader->info.input_scan_number > maximum_scans) {
    fail(reader, JPEG_FILE_CORRUPT, "a progressive picture of more than 500 scans");
  }
}

static void start_source(j_decompress_ptr info) { (void)info; }

/* libjpeg looks ahead, so the end of the bytes alone does not mean that any is missing: an end marker in their place tells. */
static boolean fill_source(j_decompress_ptr info) {
  static const JOCTET end[] = {0xFF, JPEG_EOI};
  struct reader *reader = (struct reader *)info;
  /* Before the first scan, or within a segment, which takes the marker for its own bytes, there is nothing to look ahead to. The
   * arithmetic decoder does not look ahead, and does not warn of what it lacks. */
  if (reader->ended || info->input_scan_number == 0 || info->arith_code) {
    fail(reader, JPEG_FILE_ENDS_EARLY, "the data end too early");
  }
  reader->ended = true;
  reader->source.next_input_byte = end;
  reader->source.bytes_in_buffer = sizeof end;
  return TRUE;
}

static void skip_source(j_decompress_ptr info, long count) {
  struct reader *reader = (struct reader *)info;
  if (count <= 0) return;
  if ((size_t)count > reader->source.bytes_in_buffer) {
    fail(reader, JPEG_FILE_ENDS_EARLY, "a segment is longer than the file");
  }
  reader->source.next_input_byte += count;
  reader->source.bytes_in_buffer -= (size_t)count;
}

static void end_source(j_decompress_ptr info) { (void)info; }

static void open_file(struct reader *reader) {
  jpeg_create_decompress(&reader->info);
  reader->source = (struct jpeg_source_mgr){
      .next_input_byte = reader->file->bytes,
      .bytes_in_buffer = reader->file->count,
      .init_source = start_source,
      .fill_input_buffer = fill_source,
      .skip_input_data = skip_source,
      .resync_to_restart = jpeg_resync_to_restart,
      .term_source = end_source,
  };
  reader->progress.progress_monitor = on_progress;
  reader->info.src = &reader->source;
  reader->info.progress = &reader->progress;
  jpeg_read_header(&reader->info, TRUE);
}

/* A progressive picture is whole when every bit of every coefficient has come. */
static bool has_every_bit(const struct jpeg_decompress_struct *info) {
  if (info->coef_bits == NULL) return false;
  for (int component = 0; component < info->num_components; component++) {
    for (int coefficient = 0; coefficient < DCTSIZE2; coefficient++) {
      if (info->coef_bits[component][coefficient] != 0) return false;
    }
  }
  return true;
}

/* Every row of the only scan is decoded: what is left must not be data. It may be the end marker, or what a telephone put in its place. */
static void check_rest(struct reader *reader) {
  if (reader->ended || reader->info.unread_marker != 0) return;
  const uint8_t *rest = reader->source.next_input_byte;
  const size_t count = reader->source.bytes_in_buffer;
  size_t length = 0;
  while (length + 1 < count && !(rest[length] == 0xFF && rest[length + 1] != 0 && rest[length + 1] != 0xFF)) length++;
  if (length + 1 < count) {
    if (rest[length + 1] != JPEG_EOI || !are_lost_data(rest, length)) return;
    fail(reader, JPEG_FILE_CORRUPT, "data are left over when the picture is complete");
  }
  /* The rest of a file that was never written reads as zeros, which are valid data: gray from some row on. */
  if (count > spare_bytes && rest[0] == 0 && are_equal(rest, count)) {
    fail(reader, JPEG_FILE_ENDS_EARLY, "nothing but zeros to the end of the file");
  }
}

static void read_rows(struct reader *reader, unsigned reduction, uint8_t *target) {
  j_decompress_ptr info = &reader->info;
  if (info->image_width != reader->file->width || info->image_height != reader->file->height) {
    fail(reader, JPEG_FILE_CORRUPT, "the size changed while reading");
  }
  info->out_color_space = reader->file->is_cmyk ? JCS_CMYK : JCS_RGB;
  info->scale_num = 1;
  info->scale_denom = reduction;
  const bool has_one_scan = !jpeg_has_multiple_scans(info);
  jpeg_start_decompress(info);
  if (reader->ended && !has_one_scan && !has_every_bit(info)) {
    fail(reader, JPEG_FILE_ENDS_EARLY, "scans are missing");
  }
  const size_t stride = (size_t)info->output_width * (size_t)info->output_components;
  while (info->output_scanline < info->output_height) {
    JSAMPROW rows[16];
    JDIMENSION count = info->output_height - info->output_scanline;
    if (count > 16) count = 16;
    for (JDIMENSION row = 0; row < count; row++) rows[row] = target + (info->output_scanline + row) * stride;
    jpeg_read_scanlines(info, rows, count);
  }
  if (has_one_scan) check_rest(reader);
}

static bool read_file(struct jpeg_file *file, unsigned reduction, uint8_t *target) {
  /* A reader for every file: libjpeg keeps tables from file to file, and a damaged one without tables would be decoded with those. */
  struct reader reader;
  memset(&reader, 0, sizeof reader);
  reader.file = file;
  reader.info.err = jpeg_std_error(&reader.errors);
  reader.errors.error_exit = on_error;
  reader.errors.emit_message = on_message;
  file->problem[0] = '\0';
  if (setjmp(reader.failure)) {
    jpeg_destroy_decompress(&reader.info);
    return false;
  }
  open_file(&reader);
  if (target == NULL) {
    file->width = reader.info.image_width;
    file->height = reader.info.image_height;
    file->is_cmyk = reader.info.jpeg_color_space == JCS_CMYK || reader.info.jpeg_color_space == JCS_YCCK;
  } else {
    read_rows(&reader, reduction, target);
  }
  jpeg_destroy_decompress(&reader.info);
  return true;
}

bool jpeg_file_read_header(struct jpeg_file *file) { return read_file(file, 1, NULL); }

bool jpeg_file_read_pixels(struct jpeg_file *file, unsigned reduction, uint8_t *target) {
  return read_file(file, reduction, target);
}
