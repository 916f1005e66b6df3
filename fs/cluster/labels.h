/*
 * labels.h: where a store is, as its configuration says it: "zone=a,host=h1", from the widest place to the narrowest. Two
 * stores with the same label at the same place in their lists are in the same failure domain (balance.h).
 */
#ifndef RAFTKV_FS_CLUSTER_LABELS_H
#define RAFTKV_FS_CLUSTER_LABELS_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/buf.h"

#define LABELS_MAX	4u
#define LABELS_SIZE_MAX 255u

/* Up to LABELS_MAX of NAME=VALUE with commas between, of letters, digits, '.', '_' and '-'. The empty text is one. */
bool labels_are_valid(const char *text);
/* The label at that place, borrowed; empty: none. The text is valid. */
struct slice labels_at(const char *text, uint32_t place);

#endif
