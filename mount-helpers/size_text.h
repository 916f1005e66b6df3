/* size_text.h: a number of bytes as text with a unit: "1.5 GiB". */
#ifndef RAFTKV_MOUNT_HELPERS_SIZE_TEXT_H
#define RAFTKV_MOUNT_HELPERS_SIZE_TEXT_H

#include <stdint.h>

#define SIZE_TEXT_SIZE 32

/* Returns `text`. */
const char *size_text(uint64_t bytes, char text[SIZE_TEXT_SIZE]);

#endif
