/*
 * coder.h: describes a record once, for both directions: the same calls write its fields or read and check them.
 *
 * A coder has a writer or a reader. Conditions on fields (coder_check, and those of the calls) fail either: who encodes
 * a record that nobody could decode learns it at once.
 */
#ifndef RAFTKV_FS_SCHEMA_CODER_H
#define RAFTKV_FS_SCHEMA_CODER_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/codec.h"
#include "fs/schema/rows.h"

struct coder {
	struct writer *writer; /* or */
	struct reader *reader;
	bool is_bad; /* a condition did not hold */
};

static inline bool coder_is_reading(const struct coder *coder)
{
	return coder->reader != NULL;
}

void coder_check(struct coder *coder, bool holds);
void coder_u8(struct coder *coder, uint8_t *value);
void coder_u32(struct coder *coder, uint32_t *value); /* a varint */
void coder_u64(struct coder *coder, uint64_t *value); /* a varint */
void coder_fixed(struct coder *coder, uint64_t *value); /* 8 bytes, for what is random */
void coder_bool(struct coder *coder, bool *value);
/* The last field of a record, which older writers did not have: 0 is not written, and what is not there is 0. */
void coder_late_u32(struct coder *coder, uint32_t *value);
void coder_slice(struct coder *coder, struct slice *bytes, size_t size_max);
void coder_name(struct coder *coder, struct slice *name); /* that a directory may hold */
void coder_time(struct coder *coder, struct fs_time *time);

#endif
