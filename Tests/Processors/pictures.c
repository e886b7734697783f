// Decodes the pictures that are named, and prints size and a hash of the pixels of each, or what is wrong with it.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "jpeg_reader.h"
#include "png_reader.h"

static void say(const char *name, uint32_t width, uint32_t height, const uint8_t *bytes, size_t count) {
  uint64_t hash = 14695981039346656037u;
  for (size_t index = 0; index < count; index++) hash = (hash ^ bytes[index]) * 1099511628211u;
  printf("%s %" PRIu32 "x%" PRIu32 " %016" PRIx64 "\n", name, width, height, hash);
}

int main(int count, char **names) {
  for (int index = 1; index < count; index++) {
    static uint8_t bytes[1 << 24];
    FILE *file = fopen(names[index], "rb");
    if (file == NULL) return 66;
    const size_t length = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    if (strstr(names[index], ".png") != NULL) {
      struct png_file png = {.bytes = bytes, .count = length};
      if (!png_file_read_header(&png)) return printf("%s: %s\n", names[index], png.problem), 65;
      uint8_t *pixels = malloc((size_t)png.width * png.height * 3);
      if (!png_file_read_pixels(&png, pixels)) return printf("%s: %s\n", names[index], png.problem), 65;
      say(names[index], png.width, png.height, pixels, (size_t)png.width * png.height * 3);
      free(pixels);
    } else
      for (unsigned reduction = 1; reduction <= 8; reduction *= 2) {
        struct jpeg_file jpeg = {.bytes = bytes, .count = length};
        if (!jpeg_file_read_header(&jpeg)) return printf("%s: %s\n", names[index], jpeg.problem), 65;
        const uint32_t width = (jpeg.width + reduction - 1) / reduction, height = (jpeg.height + reduction - 1) / reduction;
        const size_t size = (size_t)width * height * (jpeg.is_cmyk ? 4 : 3);
        uint8_t *pixels = malloc(size);
        if (!jpeg_file_read_pixels(&jpeg, reduction, pixels)) return printf("%s: %s\n", names[index], jpeg.problem), 65;
        say(names[index], width, height, pixels, size);
        free(pixels);
      }
  }
}
