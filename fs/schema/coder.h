/*
 * coder.h: describes a record once, for both directions: the same calls write its fields or read and check them.
 *
 * A coder has a writer or a reader. Conditions on fields (coder_check, and those of the calls) fail both directions, so
 * that encoding a record which could not be decoded fails at once.
 *
 * How programs of different versions understand each other, for operations and replies (op.h), questions and findings
 * (question.h), which are a version, the kind of an operation or question, and fields up to the end of the bytes:
 *
 *   - A field that is added later is the last field. It is a varint, or begins with one: coder_late_u32. A writer
 *     leaves out late fields that are 0 at the end of a message. A reader takes a missing late field for 0, and skips
 *     what is behind the fields that it knows.
 *   - The version is the lowest version of a reader that acts on the message correctly. A writer raises it where an
 *     older reader may not skip a late field, or does not know a value. A reader refuses a version above its own, and a
 *     kind, flag or value that it does not know (coder_known), before it does anything: with STATUS_UNSUPPORTED, which
 *     its program answers. Any other fault is STATUS_MALFORMED.
 *   - An answer contains nothing that the asker may not skip, unless the question asked for it. So a version above the
 *     reader's own in a reply or finding is STATUS_MALFORMED.
 *
 * So a change that an older program may ignore is a late field. A change that it may not ignore is a late field, and a
 * higher version where that field is not 0. A new operation or question is a new kind. What is in the middle of a
 * message (attributes, locks, the entries of a directory) never grows.
 *
 * Rows and records (rows.h, records.h) may have late fields, too, but a reader skips nothing in them: a program that
 * writes such a row again would drop what it had skipped. To an older program the row is damaged, so no program gives
 * such a field a value while an older program may read it (LINK_PROTOCOL, link.h).
 */
#ifndef RAFTKV_FS_SCHEMA_CODER_H
#define RAFTKV_FS_SCHEMA_CODER_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/codec.h"
#include "fs/schema/rows.h"

struct coder {
	struct writer *writer; /* NULL: reading */
	struct reader *reader; /* NULL: writing */
	bool is_bad; /* a condition did not hold */
	bool is_unsupported; /* the message needs a newer program */
	uint32_t late_zeros; /* writing: late fields that were left out so far */
};

static inline bool coder_is_reading(const struct coder *coder)
{
	return coder->reader != NULL;
}

/* A condition on a field; false: the message is malformed. */
void coder_check(struct coder *coder, bool holds);
/* A condition that a newer program's message may break; false: the message is unsupported. */
void coder_known(struct coder *coder, bool holds);
/* The first byte of a message: the lowest version of a reader that may act on it. `highest` is this program's version.
 * A reader ignores `version`. */
void coder_version(struct coder *coder, uint8_t version, uint8_t highest);
/* The result of reading a message: 0, STATUS_UNSUPPORTED or STATUS_MALFORMED. Bytes that are left over are skipped. */
int coder_finish(const struct coder *coder);
void coder_u8(struct coder *coder, uint8_t *value);
void coder_u32(struct coder *coder, uint32_t *value); /* a varint */
void coder_u64(struct coder *coder, uint64_t *value); /* a varint */
void coder_fixed(struct coder *coder, uint64_t *value); /* 8 bytes, little endian: for random values */
void coder_bool(struct coder *coder, bool *value);
/* A late field, behind all fields that older writers had. */
void coder_late_u32(struct coder *coder, uint32_t *value);
void coder_slice(struct coder *coder, struct slice *bytes, size_t size_max);
void coder_name(struct coder *coder, struct slice *name); /* a name that a directory entry may have */
void coder_time(struct coder *coder, struct fs_time *time);

#endif
