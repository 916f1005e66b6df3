/*
 * coder.h: describes a record once, for both directions: the same calls write its fields or read and check them.
 *
 * A coder has a writer or a reader. Conditions on fields (coder_check, and those of the calls) fail either: who encodes
 * a record that nobody could decode learns it at once.
 *
 * How programs of different versions understand each other, for operations and replies (op.h), questions and findings
 * (question.h), which are a version, the kind of an operation or question, and fields up to the end of the bytes:
 *
 *   - A field that comes later is the last one, and a varint or begins with one: coder_late_u32. A writer leaves out the
 *     late fields at the end that are 0. A reader takes 0 for those that are not there, and skips what is behind those
 *     that it knows.
 *   - The version says what must be understood: it is that of the least reader that does right by the message. A writer
 *     raises it where a reader may not skip what came later, or does not know a value. A reader refuses a version above
 *     its own, and a kind, flag or value that it does not know (coder_known), before anything is done: with
 *     STATUS_UNSUPPORTED, which its program answers; what is wrong in another way is STATUS_MALFORMED.
 *   - An answer says nothing that the asker may not skip unless it was asked for it: to a reader, a version above its own
 *     in a reply or finding is STATUS_MALFORMED.
 *
 * So a change that an older program may ignore is a late field; one that it may not ignore is that, and a higher version
 * where the field is not 0; a new operation or question is a new kind. What is in the middle of a message (attributes,
 * locks, the entries of a directory) never grows.
 *
 * Rows and records (rows.h, records.h) may have late fields, too, but nothing in them is skipped: who writes such a row
 * again would drop what it skipped. To an older program the row is damaged, so no program gives such a field a value while
 * an older one may read it (LINK_PROTOCOL, link.h).
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
	bool is_unsupported; /* reading: a newer program's */
	uint32_t late_zeros; /* writing: late fields that were left out so far */
};

static inline bool coder_is_reading(const struct coder *coder)
{
	return coder->reader != NULL;
}

void coder_check(struct coder *coder, bool holds);
/* As coder_check, of what a newer program may say. */
void coder_known(struct coder *coder, bool holds);
/* The first byte of a message: the version of the least reader that may act on it; `highest` is this program's. */
void coder_version(struct coder *coder, uint8_t version, uint8_t highest);
/* Of a message that was read: 0, STATUS_UNSUPPORTED or STATUS_MALFORMED; what is left over is skipped. */
int coder_finish(const struct coder *coder);
void coder_u8(struct coder *coder, uint8_t *value);
void coder_u32(struct coder *coder, uint32_t *value); /* a varint */
void coder_u64(struct coder *coder, uint64_t *value); /* a varint */
void coder_fixed(struct coder *coder, uint64_t *value); /* 8 bytes, for what is random */
void coder_bool(struct coder *coder, bool *value);
/* A field that older writers did not have, behind all that they had. */
void coder_late_u32(struct coder *coder, uint32_t *value);
void coder_slice(struct coder *coder, struct slice *bytes, size_t size_max);
void coder_name(struct coder *coder, struct slice *name); /* that a directory may hold */
void coder_time(struct coder *coder, struct fs_time *time);

#endif
