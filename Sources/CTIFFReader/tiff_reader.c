#include "tiff_reader.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tiffio.h>

/* More samples than colours are alpha and whatever else a program keeps there. */
enum { maximum_extra_samples = 4 };

/* How the samples of one pixel make its colour. */
struct layout {
  uint16_t photometric;
  uint16_t bits;       /* of a sample: 1, 2, 4, 8 or 16 */
  uint16_t samples;    /* of a pixel, extra ones included */
  uint16_t colours;    /* samples that are colours: gray or palette index, RGB, or CMYK */
  bool has_associated; /* the sample behind the colours is alpha, and the colours are multiplied by it */
  bool is_separate;    /* each sample has a plane of its own */
  bool is_ycc;         /* libtiff converts the colours, from whatever form they have */
  uint8_t palette[256 * 3];
};

struct reader {
  struct tiff_file *file;
  TIFF *tiff;
  uint64_t position;
  bool reads_pixels;
  bool ended;     /* bytes behind the end were asked for */
  bool has_fault; /* the first problem is known */
};

/* Notes the first problem, of which those that follow are consequences. Returns false. */
static bool fail(struct reader *reader, enum tiff_file_fault fault, const char *format, ...) {
  if (reader->has_fault) return false;
  reader->has_fault = true;
  reader->file->fault = fault;
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(reader->file->problem, sizeof reader->file->problem, format, arguments);
  va_end(arguments);
  return false;
}

static int on_error(TIFF *tiff, void *context, const char *module, const char *format, va_list arguments) {
  (void)tiff, (void)module;
  struct reader *reader = context;
  char message[sizeof reader->file->problem];
  vsnprintf(message, sizeof message, format, arguments);
  fail(reader, TIFF_FILE_CORRUPT, "%s", message);
  return 1;
}

/* A warning about tags changes no pixel. One about pixels means that libtiff made some up. */
static int on_warning(TIFF *tiff, void *context, const char *module, const char *format, va_list arguments) {
  struct reader *reader = context;
  /* A last strip that is as high as the others, which is cut; and the order of bits of LZW's first days. */
  const char *harmless[] = {"JPEG strip size exceeds expected dimensions", "Old-style LZW codes"};
  if (!reader->reads_pixels) return 1;
  for (size_t index = 0; index < sizeof harmless / sizeof harmless[0]; index++) {
    if (strncmp(format, harmless[index], strlen(harmless[index])) == 0) return 1;
  }
  return on_error(tiff, context, module, format, arguments);
}

/* The words of libtiff do not tell want of memory from damage, nor do those of the libraries below it; malloc does. */
static bool failed(struct reader *reader) {
  if (errno == ENOMEM) {
    reader->has_fault = false;
    fail(reader, TIFF_FILE_OUT_OF_MEMORY, "libtiff was refused memory");
  } else if (!reader->has_fault || reader->file->fault == TIFF_FILE_CORRUPT) {
    if (reader->ended) reader->file->fault = TIFF_FILE_ENDS_EARLY;
    if (!reader->has_fault) {
      fail(reader, reader->ended ? TIFF_FILE_ENDS_EARLY : TIFF_FILE_CORRUPT, "libtiff does not say why");
    }
  }
  return false;
}

/* MARK: The file, in memory */

static tmsize_t read_bytes(thandle_t handle, void *target, tmsize_t count) {
  struct reader *reader = handle;
  const uint64_t size = reader->file->count;
  const uint64_t left = reader->position < size ? size - reader->position : 0;
  if ((uint64_t)count > left) {
    reader->ended = true;
    count = (tmsize_t)left;
  }
  if (count > 0) memcpy(target, reader->file->bytes + reader->position, (size_t)count);
  reader->position += (uint64_t)count;
  return count;
}

static tmsize_t write_nothing(thandle_t handle, void *source, tmsize_t count) {
  (void)handle, (void)source, (void)count;
  return 0;
}

static toff_t seek(thandle_t handle, toff_t offset, int from) {
  struct reader *reader = handle;
  const uint64_t start = from == SEEK_CUR ? reader->position : from == SEEK_END ? reader->file->count : 0;
  return reader->position = start + offset;
}

static int close_nothing(thandle_t handle) {
  (void)handle;
  return 0;
}

static toff_t size_of(thandle_t handle) { return ((struct reader *)handle)->file->count; }

/* A whole number of `width` bytes as the file has it. */
static uint64_t number_at(const uint8_t *bytes, unsigned width, bool is_big_endian) {
  uint64_t number = 0;
  for (unsigned index = 0; index < width; index++) {
    number = number << 8 | bytes[is_big_endian ? index : width - 1 - index];
  }
  return number;
}

/* libtiff keeps the values of every tag, known or not, each by itself; so thousands of tags whose values are the same bytes would take any
 * amount of memory. Values that lie side by side are no longer than the file, and programs that let tags share some do so with a few numbers.
 * A directory that goes on behind the file's end is left to libtiff, which gives up there and says so; of values that do, it reads as many
 * as there are. */
static bool has_bounded_tags(struct reader *reader) {
  const uint8_t *bytes = reader->file->bytes;
  const uint64_t size = reader->file->count;
  if (size < 16) return true;
  const bool is_big_endian = bytes[0] == 'M';
  const bool has_long_offsets = number_at(bytes + 2, 2, is_big_endian) == TIFF_VERSION_BIG;
  const unsigned offset_width = has_long_offsets ? 8 : 4, count_width = has_long_offsets ? 8 : 2;
  const unsigned entry_size = 4 + 2 * offset_width;
  const uint64_t directory = number_at(bytes + offset_width, offset_width, is_big_endian);
  if (directory > size || size - directory < count_width) return true;
  const uint64_t count = number_at(bytes + directory, count_width, is_big_endian);
  const uint64_t first = directory + count_width;
  if (count > (size - first) / entry_size) return true;
  const uint64_t most = 2 * size + (1 << 20);
  uint64_t total = 0;
  for (uint64_t index = 0; index < count; index++) {
    const uint8_t *entry = bytes + first + index * entry_size;
    const int width = TIFFDataWidth((TIFFDataType)number_at(entry + 2, 2, is_big_endian));
    const uint64_t values = number_at(entry + 4, offset_width, is_big_endian);
    const uint64_t place = number_at(entry + 4 + offset_width, offset_width, is_big_endian);
    if (width <= 0 || place > size) continue;
    const uint64_t rest = size - place;
    const uint64_t length = values > size / (unsigned)width ? size : values * (unsigned)width;
    /* What fits stands in the entry, in place of where it lies. */
    if (length <= offset_width) continue;
    if ((total += length < rest ? length : rest) > most) {
      return fail(reader, TIFF_FILE_CORRUPT, "the values of its tags together are longer than the file");
    }
  }
  return true;
}

/* `pixels` bounds what libtiff may ask for at once, so that a few hostile bytes cannot. */
static bool open_file(struct reader *reader, struct tiff_file *file, uint64_t pixels) {
  *reader = (struct reader){.file = file};
  file->problem[0] = '\0';
  errno = 0;
  if (!has_bounded_tags(reader)) return false;
  TIFFOpenOptions *options = TIFFOpenOptionsAlloc();
  if (options == NULL) return failed(reader);
  TIFFOpenOptionsSetErrorHandlerExtR(options, on_error, reader);
  TIFFOpenOptionsSetWarningHandlerExtR(options, on_warning, reader);
  TIFFOpenOptionsSetMaxSingleMemAlloc(options, (tmsize_t)((1 << 24) + 8 * (uint64_t)file->count + 16 * pixels));
  reader->tiff = TIFFClientOpenExt("file", "rm", reader, read_bytes, write_nothing, seek, close_nothing, size_of, NULL,
                                   NULL, options);
  TIFFOpenOptionsFree(options);
  if (reader->tiff == NULL) return failed(reader);
  /* What libtiff could do without is no problem. */
  reader->has_fault = false;
  reader->ended = false;
  return true;
}

/* MARK: What is decoded */

static const char *name_of_compression(uint16_t compression) {
  const TIFFCodec *codec = TIFFFindCODEC(compression);
  return codec == NULL ? "unknown" : codec->name;
}

static bool is_decoded(uint16_t compression) {
  switch (compression) {
    case COMPRESSION_NONE:
    case COMPRESSION_CCITTRLE:
    case COMPRESSION_CCITTFAX3:
    case COMPRESSION_CCITTFAX4:
    case COMPRESSION_LZW:
    case COMPRESSION_JPEG:
    case COMPRESSION_ADOBE_DEFLATE:
    case COMPRESSION_DEFLATE:
    case COMPRESSION_PACKBITS:
    case COMPRESSION_ZSTD: return TIFFIsCODECConfigured(compression);
    /* Not LZMA, which takes as much memory as the file says; and not what Pillow does not read either (JBIG, LERC). */
    default: return false;
  }
}

static bool read_palette(struct reader *reader, struct layout *layout) {
  uint16_t *red, *green, *blue;
  if (!TIFFGetField(reader->tiff, TIFFTAG_COLORMAP, &red, &green, &blue)) {
    return fail(reader, TIFF_FILE_CORRUPT, "the palette is missing");
  }
  for (unsigned index = 0; index < 1u << layout->bits; index++) {
    layout->palette[index * 3] = (uint8_t)(red[index] >> 8);
    layout->palette[index * 3 + 1] = (uint8_t)(green[index] >> 8);
    layout->palette[index * 3 + 2] = (uint8_t)(blue[index] >> 8);
  }
  return true;
}

/* The thumbnail in front of a camera's own data is a picture of its own, but not the one that is meant. */
static bool is_raw_picture(TIFF *tiff) {
  uint32_t kind = 0;
  uint16_t count = 0;
  const void *value = NULL;
  if (TIFFGetField(tiff, TIFFTAG_DNGVERSION, &value)) return true;
  return TIFFGetField(tiff, TIFFTAG_SUBFILETYPE, &kind) && (kind & FILETYPE_REDUCEDIMAGE) != 0 &&
         TIFFGetField(tiff, TIFFTAG_SUBIFD, &count, &value) && count > 0;
}

static bool read_layout(struct reader *reader, struct layout *layout) {
  TIFF *tiff = reader->tiff;
  uint16_t planar, compression, format, inks, extra_count = 0;
  const uint16_t *extra = NULL;
  memset(layout, 0, sizeof *layout);
  TIFFGetFieldDefaulted(tiff, TIFFTAG_BITSPERSAMPLE, &layout->bits);
  TIFFGetFieldDefaulted(tiff, TIFFTAG_SAMPLESPERPIXEL, &layout->samples);
  TIFFGetFieldDefaulted(tiff, TIFFTAG_PLANARCONFIG, &planar);
  TIFFGetFieldDefaulted(tiff, TIFFTAG_COMPRESSION, &compression);
  TIFFGetFieldDefaulted(tiff, TIFFTAG_SAMPLEFORMAT, &format);
  TIFFGetFieldDefaulted(tiff, TIFFTAG_INKSET, &inks);
  TIFFGetFieldDefaulted(tiff, TIFFTAG_EXTRASAMPLES, &extra_count, &extra);
  layout->is_separate = planar == PLANARCONFIG_SEPARATE && layout->samples > 1;
  if (is_raw_picture(tiff)) return fail(reader, TIFF_FILE_UNSUPPORTED, "a camera's raw picture");
  if (!is_decoded(compression)) {
    return fail(reader, TIFF_FILE_UNSUPPORTED, "compression %u, %s", compression, name_of_compression(compression));
  }
  if (!TIFFGetField(tiff, TIFFTAG_PHOTOMETRIC, &layout->photometric)) {
    return fail(reader, TIFF_FILE_CORRUPT, "it does not say what its samples mean");
  }
  if (format != SAMPLEFORMAT_UINT && format != SAMPLEFORMAT_VOID) {
    return fail(reader, TIFF_FILE_UNSUPPORTED, "samples that are not whole numbers from 0");
  }
  bool has_depth = layout->bits == 8 || layout->bits == 16;
  switch (layout->photometric) {
    case PHOTOMETRIC_MINISWHITE:
    case PHOTOMETRIC_MINISBLACK:
      layout->colours = 1;
      has_depth = has_depth || layout->bits == 1 || layout->bits == 2 || layout->bits == 4;
      break;
    case PHOTOMETRIC_PALETTE:
      layout->colours = 1;
      has_depth = layout->bits == 1 || layout->bits == 2 || layout->bits == 4 || layout->bits == 8;
      break;
    case PHOTOMETRIC_RGB: layout->colours = 3; break;
    case PHOTOMETRIC_SEPARATED:
      if (inks != INKSET_CMYK) return fail(reader, TIFF_FILE_UNSUPPORTED, "inks that are not CMYK");
      layout->colours = 4;
      break;
    case PHOTOMETRIC_YCBCR:
      layout->colours = 3;
      layout->is_ycc = true;
      has_depth = layout->bits == 8;
      break;
    default: return fail(reader, TIFF_FILE_UNSUPPORTED, "photometric interpretation %u", layout->photometric);
  }
  if (!has_depth || (layout->bits < 8 && layout->samples > 1)) {
    return fail(reader, TIFF_FILE_UNSUPPORTED, "%u bits in each of %u samples", layout->bits, layout->samples);
  }
  if (layout->samples < layout->colours || layout->samples > layout->colours + maximum_extra_samples) {
    return fail(reader, TIFF_FILE_UNSUPPORTED, "%u samples a pixel", layout->samples);
  }
  layout->has_associated = layout->samples > layout->colours && layout->photometric != PHOTOMETRIC_PALETTE &&
                           extra_count > 0 && extra[0] == EXTRASAMPLE_ASSOCALPHA;
  if (layout->is_ycc && compression == COMPRESSION_JPEG && !layout->is_separate) {
    /* libjpeg converts, as for any JPEG. */
    TIFFSetField(tiff, TIFFTAG_JPEGCOLORMODE, JPEGCOLORMODE_RGB);
    layout->photometric = PHOTOMETRIC_RGB;
    layout->is_ycc = false;
  }
  return layout->photometric != PHOTOMETRIC_PALETTE || read_palette(reader, layout);
}

/* MARK: Pixels */

static uint8_t sample_at(const struct layout *layout, const uint8_t *row, size_t index) {
  if (layout->bits == 8) return row[index];
  if (layout->bits == 16) {
    uint16_t value;
    memcpy(&value, row + index * 2, sizeof value);
    return (uint8_t)((value * 255u + 32767u) / 65535u);
  }
  const size_t bit = index * layout->bits;
  const unsigned largest = (1u << layout->bits) - 1;
  const unsigned value = row[bit / 8] >> (8 - layout->bits - bit % 8) & largest;
  return (uint8_t)(layout->photometric == PHOTOMETRIC_PALETTE ? value : value * 255 / largest);
}

static uint8_t divided(uint8_t colour, uint8_t alpha) {
  const unsigned value = alpha == 0 ? 0 : colour * 255u / alpha;
  return (uint8_t)(value < 255 ? value : 255);
}

/* Converts `count` pixels whose samples follow one another. */
static void convert_row(const struct layout *layout, const uint8_t *row, size_t count, uint8_t *target) {
  if (layout->photometric == PHOTOMETRIC_RGB && layout->bits == 8 && layout->samples == 3) {
    memcpy(target, row, count * 3);
    return;
  }
  for (size_t pixel = 0; pixel < count; pixel++, target += 3) {
    const size_t first = pixel * layout->samples;
    uint8_t colour[4];
    for (unsigned index = 0; index < layout->colours; index++) colour[index] = sample_at(layout, row, first + index);
    if (layout->photometric == PHOTOMETRIC_PALETTE) {
      memcpy(target, layout->palette + colour[0] * 3, 3);
      continue;
    }
    if (layout->has_associated) {
      const uint8_t alpha = sample_at(layout, row, first + layout->colours);
      for (unsigned index = 0; index < layout->colours; index++) colour[index] = divided(colour[index], alpha);
    }
    if (layout->photometric == PHOTOMETRIC_SEPARATED) {
      for (unsigned index = 0; index < 3; index++) {
        target[index] = (uint8_t)(((255u - colour[index]) * (255u - colour[3]) + 127) / 255);
      }
    } else if (layout->photometric == PHOTOMETRIC_RGB) {
      memcpy(target, colour, 3);
    } else {
      memset(target, layout->photometric == PHOTOMETRIC_MINISWHITE ? 255 - colour[0] : colour[0], 3);
    }
  }
}

/* Where rows go that libtiff has decoded. */
struct destination {
  const struct layout *layout;
  size_t width;
  uint8_t *target; /* packed RGB; with planes, packed samples of 8 bits */
  size_t channels; /* with planes: samples of a pixel in `target` */
  size_t plane;    /* with planes: which one this is */
};

static void put_row(const struct destination *destination, size_t x, size_t y, size_t count, const uint8_t *row) {
  const size_t place = y * destination->width + x;
  if (!destination->layout->is_separate) {
    convert_row(destination->layout, row, count, destination->target + place * 3);
    return;
  }
  uint8_t *sample = destination->target + place * destination->channels + destination->plane;
  for (size_t pixel = 0; pixel < count; pixel++, sample += destination->channels) {
    *sample = sample_at(destination->layout, row, pixel);
  }
}

static bool read_strips(struct reader *reader, const struct destination *destination, uint8_t *row) {
  for (uint32_t y = 0; y < reader->file->height; y++) {
    if (TIFFReadScanline(reader->tiff, row, y, (uint16_t)destination->plane) != 1) return failed(reader);
    put_row(destination, 0, y, destination->width, row);
  }
  return true;
}

static bool read_tiles(struct reader *reader, const struct destination *destination, uint8_t *tile, uint32_t width,
                       uint32_t height) {
  const tmsize_t size = TIFFTileSize(reader->tiff), row_size = TIFFTileRowSize(reader->tiff);
  for (uint64_t y = 0; y < reader->file->height; y += height) {
    const uint64_t rows = reader->file->height - y < height ? reader->file->height - y : height;
    for (uint64_t x = 0; x < reader->file->width; x += width) {
      const uint64_t columns = reader->file->width - x < width ? reader->file->width - x : width;
      const uint32_t number =
          TIFFComputeTile(reader->tiff, (uint32_t)x, (uint32_t)y, 0, (uint16_t)destination->plane);
      if (TIFFReadEncodedTile(reader->tiff, number, tile, size) != size) return failed(reader);
      for (uint64_t row = 0; row < rows; row++) put_row(destination, x, y + row, columns, tile + row * (uint64_t)row_size);
    }
  }
  return true;
}

/* A tile may be larger than its picture, but not much, for it takes memory; nor may all of them together, for they take time. */
static bool has_bounded_tiles(struct reader *reader, uint32_t *width, uint32_t *height) {
  const uint64_t pixels = (uint64_t)reader->file->width * reader->file->height;
  const uint64_t most = pixels > 1 << 22 ? pixels : 1 << 22;
  if (!TIFFGetField(reader->tiff, TIFFTAG_TILEWIDTH, width) || !TIFFGetField(reader->tiff, TIFFTAG_TILELENGTH, height) ||
      *width == 0 || *height == 0) {
    return fail(reader, TIFF_FILE_CORRUPT, "the size of its tiles is missing");
  }
  if (*height <= most / *width) {
    const uint64_t columns = (reader->file->width - 1) / *width + 1, rows = (reader->file->height - 1) / *height + 1;
    if (columns * rows <= 16 * most / ((uint64_t)*width * *height)) return true;
  }
  return fail(reader, TIFF_FILE_CORRUPT, "tiles of %u x %u pixels in a picture of %u x %u", *width, *height,
              reader->file->width, reader->file->height);
}

/* Strips may share their data, but a file in which all of them are the whole file would take hours. */
static bool has_bounded_strips(struct reader *reader) {
  const uint64_t pixels = (uint64_t)reader->file->width * reader->file->height;
  const uint64_t most = 16 * (reader->file->count + pixels);
  const uint32_t count = TIFFIsTiled(reader->tiff) ? TIFFNumberOfTiles(reader->tiff) : TIFFNumberOfStrips(reader->tiff);
  uint64_t total = 0;
  for (uint32_t index = 0; index < count; index++) {
    const uint64_t bytes = TIFFGetStrileByteCount(reader->tiff, index);
    if (bytes > most || (total += bytes) > most) {
      /* One strip that says too much ends behind the file's end; libtiff finds that out. */
      if (index == 0) continue;
      return fail(reader, TIFF_FILE_CORRUPT, "the same data are used again and again");
    }
  }
  return true;
}

/* YCbCr that is not JPEG, by libtiff's own conversion. */
static bool read_ycc(struct reader *reader, uint8_t *target) {
  const size_t pixels = (size_t)reader->file->width * reader->file->height;
  char problem[1024] = "";
  TIFFRGBAImage image;
  if (!TIFFRGBAImageBegin(&image, reader->tiff, 1, problem)) {
    fail(reader, TIFF_FILE_UNSUPPORTED, "%s", problem);
    return failed(reader);
  }
  /* As it is stored. */
  image.orientation = image.req_orientation = ORIENTATION_TOPLEFT;
  uint32_t *raster = malloc(pixels * sizeof *raster);
  const bool is_read = raster != NULL && TIFFRGBAImageGet(&image, raster, reader->file->width, reader->file->height) == 1;
  TIFFRGBAImageEnd(&image);
  for (size_t pixel = 0; is_read && pixel < pixels; pixel++) {
    target[pixel * 3] = (uint8_t)TIFFGetR(raster[pixel]);
    target[pixel * 3 + 1] = (uint8_t)TIFFGetG(raster[pixel]);
    target[pixel * 3 + 2] = (uint8_t)TIFFGetB(raster[pixel]);
  }
  free(raster);
  return is_read || failed(reader);
}

static bool read_planes(struct reader *reader, struct layout *layout, struct destination destination, uint8_t *chunk,
                        uint32_t tile_width, uint32_t tile_height) {
  bool is_read = true;
  for (; is_read && destination.plane < destination.channels; destination.plane++) {
    is_read = tile_width > 0 ? read_tiles(reader, &destination, chunk, tile_width, tile_height)
                             : read_strips(reader, &destination, chunk);
  }
  layout->samples = (uint16_t)destination.channels;
  layout->bits = 8;
  return is_read;
}

static bool read_rows(struct reader *reader, struct layout *layout, uint8_t *target) {
  const size_t pixels = (size_t)reader->file->width * reader->file->height;
  uint32_t tile_width = 0, tile_height = 0;
  if (TIFFIsTiled(reader->tiff) && !has_bounded_tiles(reader, &tile_width, &tile_height)) return false;
  if (!has_bounded_strips(reader)) return failed(reader);
  if (layout->is_ycc) return read_ycc(reader, target);
  const tmsize_t size = tile_width > 0 ? TIFFTileSize(reader->tiff) : TIFFScanlineSize(reader->tiff);
  /* libtiff and the layout agree on how long a row is, or the row would not be read as what it is. */
  const uint64_t row_samples = (tile_width > 0 ? (uint64_t)tile_width : reader->file->width) *
                               (layout->is_separate ? 1u : layout->samples);
  const uint64_t row_size = (uint64_t)(tile_width > 0 ? TIFFTileRowSize(reader->tiff) : size);
  if (size <= 0 || row_size < (row_samples * layout->bits + 7) / 8) {
    fail(reader, TIFF_FILE_CORRUPT, "rows that are too short");
    return failed(reader);
  }
  struct destination destination = {.layout = layout, .width = reader->file->width, .target = target};
  uint8_t *chunk = calloc(1, (size_t)size);
  uint8_t *samples = NULL;
  bool is_read = chunk != NULL;
  if (is_read && layout->is_separate) {
    destination.channels = (size_t)layout->colours + layout->has_associated;
    destination.target = samples = malloc(pixels * destination.channels);
    is_read = samples != NULL && read_planes(reader, layout, destination, chunk, tile_width, tile_height);
    if (is_read) convert_row(layout, samples, pixels, target);
  } else if (is_read) {
    is_read = tile_width > 0 ? read_tiles(reader, &destination, chunk, tile_width, tile_height)
                             : read_strips(reader, &destination, chunk);
  }
  free(samples);
  free(chunk);
  return is_read || failed(reader);
}

static bool read_metadata(struct reader *reader) {
  struct tiff_file *file = reader->file;
  uint32_t count = 0;
  const void *xmp = NULL;
  if (!TIFFGetField(reader->tiff, TIFFTAG_ORIENTATION, &file->orientation)) file->orientation = 0;
  if (!TIFFGetField(reader->tiff, TIFFTAG_XMLPACKET, &count, &xmp) || count == 0 || xmp == NULL) return true;
  file->xmp = malloc(count);
  if (file->xmp == NULL) return failed(reader);
  memcpy(file->xmp, xmp, count);
  file->xmp_count = count;
  return true;
}

bool tiff_file_read_header(struct tiff_file *file) {
  struct reader reader;
  struct layout layout;
  file->xmp = NULL;
  file->xmp_count = 0;
  if (!open_file(&reader, file, 0)) return false;
  TIFFGetFieldDefaulted(reader.tiff, TIFFTAG_IMAGEWIDTH, &file->width);
  TIFFGetFieldDefaulted(reader.tiff, TIFFTAG_IMAGELENGTH, &file->height);
  bool is_read = file->width > 0 && file->height > 0;
  if (!is_read) fail(&reader, TIFF_FILE_CORRUPT, "a picture without pixels");
  is_read = is_read && read_layout(&reader, &layout) && read_metadata(&reader);
  TIFFClose(reader.tiff);
  return is_read;
}

bool tiff_file_read_pixels(struct tiff_file *file, uint8_t *target) {
  struct reader reader;
  struct layout layout;
  if (!open_file(&reader, file, (uint64_t)file->width * file->height)) return false;
  uint32_t width = 0, height = 0;
  TIFFGetFieldDefaulted(reader.tiff, TIFFTAG_IMAGEWIDTH, &width);
  TIFFGetFieldDefaulted(reader.tiff, TIFFTAG_IMAGELENGTH, &height);
  bool is_read = width == file->width && height == file->height;
  if (!is_read) fail(&reader, TIFF_FILE_CORRUPT, "the size changed while reading");
  is_read = is_read && read_layout(&reader, &layout);
  reader.reads_pixels = true;
  is_read = is_read && read_rows(&reader, &layout, target);
  /* Some damage libtiff tells and goes on. */
  if (is_read && reader.has_fault) is_read = failed(&reader);
  TIFFClose(reader.tiff);
  return is_read;
}
