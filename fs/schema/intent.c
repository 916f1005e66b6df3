#include "fs/schema/intent.h"

#include <errno.h>

#include "fs/schema/op.h"
#include "proto/check.h"
#include "proto/plant.h"
#include "proto/status.h"

#define ROW_VERSION	   1
#define LACK_VERSION	   1
#define LACK_LIST_SIZE_MAX FACTS_SIZE_MAX /* bytes */

bool intent_age_is_older(const struct intent_age *one, const struct intent_age *other)
{
	if (one->asked != other->asked)
		return one->asked < other->asked;
	if (one->session != other->session)
		return one->session < other->session;
	return one->slot < other->slot;
}

/* ---- Framing: items of lists, rows ---- */

/* Takes an item that was read with `coder` off `*rest`. */
static bool take(const struct coder *coder, struct slice *rest)
{
	if (coder_finish(coder) != 0)
		return false; /* `rest` stays, which the checks of lists see */
	*rest = slice_of(coder->reader->data, coder->reader->size);
	return true;
}

static int list_status(struct slice rest, uint32_t count, uint32_t least, uint32_t most)
{
	return rest.size == 0 && count >= least && count <= most ? 0 : STATUS_MALFORMED;
}

static void code_row_version(struct coder *coder)
{
	uint8_t version = ROW_VERSION;

	coder_u8(coder, &version);
	coder_check(coder, version == ROW_VERSION);
}

static int finish_writing(const struct coder *coder)
{
	return coder->is_bad ? STATUS_CORRUPT : coder->writer->status;
}

static int finish_reading(const struct reader *reader)
{
	return reader_finish(reader) == 0 ? 0 : STATUS_CORRUPT;
}

/* ---- Attempts and ages ---- */

void code_attempt(struct coder *coder, struct attempt *attempt)
{
	coder_u64(coder, &attempt->anchor);
	coder_u64(coder, &attempt->region);
	coder_u64(coder, &attempt->term);
	coder_u64(coder, &attempt->number);
	coder_check(coder, attempt->number > 0);
}

void code_intent_age(struct coder *coder, struct intent_age *age)
{
	coder_u64(coder, &age->asked);
	coder_u64(coder, &age->session);
	coder_u32(coder, &age->slot);
}

void attempt_encode(const struct attempt *attempt, struct writer *writer)
{
	struct coder coder = {.writer = writer};
	struct attempt copy = *attempt; /* a coder takes no const */

	code_attempt(&coder, &copy);
	check(!coder.is_bad);
}

bool attempt_next(struct slice *rest, struct attempt *attempt)
{
	struct reader reader = reader_of(*rest);
	struct coder coder = {.reader = &reader};

	code_attempt(&coder, attempt);
	return take(&coder, rest);
}

int attempts_check(struct slice list, uint32_t count_max, uint32_t *count)
{
	struct attempt attempt;

	*count = 0;
	while (*count <= count_max && attempt_next(&list, &attempt))
		++*count;
	return list_status(list, *count, 1, count_max);
}

/* ---- Intents ---- */

/* Its dirid, if it is the key of a row of KEY_DATA; else FS_DIRID_END. */
static uint64_t dirid_of_row(struct slice key)
{
	return key.size > fs_key_dirid(0).size && key.size <= FS_KEY_SIZE_MAX ? fs_key_get_dirid(key)
									      : FS_DIRID_END;
}

static void code_row(struct coder *coder, struct intent *intent)
{
	coder_slice(coder, &intent->row.key, FS_KEY_SIZE_MAX);
	coder_check(coder, dirid_of_row(intent->row.key) == fs_ino_dirid(intent->ino));
	coder_bool(coder, &intent->row.had);
	coder_slice(coder, &intent->row.before, INTENTS_SIZE_MAX);
	coder_check(coder, intent->row.had || intent->row.before.size == 0);
	coder_bool(coder, &intent->row.has);
	coder_slice(coder, &intent->row.after, INTENTS_SIZE_MAX);
	coder_check(coder, intent->row.has || intent->row.after.size == 0);
	coder_check(coder, intent->row.had || intent->row.has);
	coder_bool(coder, &intent->row.is_first);
	coder_check(coder, !intent->row.is_first || (intent->row.has && !intent->row.had));
}

static void code_added(struct coder *coder, int32_t *added)
{
	uint32_t stored = (uint32_t)*added;

	coder_u32(coder, &stored);
	*added = (int32_t)stored;
}

/* May these flags be of one intent, and of such an inode? */
static bool are_flags_sound(uint32_t flags, bool is_directory)
{
	uint32_t of_directories = INTENT_MOVES | INTENT_REMOVES;
	uint32_t of_files = INTENT_DROPS | INTENT_ENDS_KEEPING;

	if ((flags & INTENT_HOLDS) != 0 && (flags & (INTENT_REMOVES | INTENT_DROPS)) == 0)
		return false;
	return (flags & (is_directory ? of_files : of_directories)) == 0;
}

static void code_inode(struct coder *coder, struct intent *intent)
{
	bool is_directory = fs_ino_is_directory(intent->ino);

	coder_u32(coder, &intent->inode.generation);
	coder_check(coder, intent->inode.generation != 0);
	coder_u32(coder, &intent->inode.flags_seen);
	coder_check(coder, (intent->inode.flags_seen & ~FS_FLAGS_VISIBLE) == 0);
	coder_u32(coder, &intent->inode.flags);
	coder_check(coder, (intent->inode.flags & ~INTENT_FLAGS_ALL) == 0);
	coder_check(coder, are_flags_sound(intent->inode.flags, is_directory));
	code_added(coder, &intent->inode.nlink);
	code_added(coder, &intent->inode.entries);
	coder_check(coder, is_directory || intent->inode.entries == 0);
	if ((intent->inode.flags & INTENT_MOVES) != 0) {
		coder_u64(coder, &intent->inode.parent_before);
		coder_u64(coder, &intent->inode.parent_after);
		coder_check(coder, fs_ino_is_directory(intent->inode.parent_before));
		coder_check(coder, fs_ino_is_directory(intent->inode.parent_after));
	}
}

static void code_intent(struct coder *coder, struct intent *intent)
{
	uint8_t kind = (uint8_t)intent->kind;

	coder_u8(coder, &kind);
	intent->kind = (enum intent_kind)kind;
	coder_u64(coder, &intent->ino);
	coder_check(coder, fs_ino_seq(intent->ino) > 0);
	switch (intent->kind) {
	case INTENT_ROW:
		code_row(coder, intent);
		break;
	case INTENT_INODE:
		code_inode(coder, intent);
		break;
	case INTENT_TREE:
		coder_check(coder, intent->ino == FS_ROOT_INO);
		break;
	default:
		coder_check(coder, false);
	}
}

int intent_encode(const struct intent *intent, struct writer *writer)
{
	struct coder coder = {.writer = writer};
	struct intent copy = *intent;

	code_intent(&coder, &copy);
	return finish_writing(&coder);
}

bool intent_next(struct slice *rest, struct intent *intent)
{
	struct reader reader = reader_of(*rest);
	struct coder coder = {.reader = &reader};

	*intent = (struct intent){0};
	code_intent(&coder, intent);
	return take(&coder, rest);
}

int intents_check(struct slice list)
{
	struct intent intent;
	uint32_t count = 0;

	if (list.size > INTENTS_SIZE_MAX)
		return STATUS_MALFORMED;
	while (count <= INTENTS_OF_ATTEMPT_MAX && intent_next(&list, &intent))
		count++;
	return list_status(list, count, 1, INTENTS_OF_ATTEMPT_MAX);
}

/* ---- Rows of KEY_LOCAL ---- */

static void code_record(struct coder *coder, struct intent_record *record)
{
	code_row_version(coder);
	code_intent_age(coder, &record->age);
	coder_time(coder, &record->time);
	code_intent(coder, &record->intent);
}

int intent_record_encode(const struct intent_record *record, struct writer *writer)
{
	struct coder coder = {.writer = writer};
	struct intent_record copy = *record;

	code_record(&coder, &copy);
	return finish_writing(&coder);
}

int intent_record_decode(struct slice key, struct slice row, struct intent_record *record)
{
	struct reader reader = reader_of(row);
	struct coder coder = {.reader = &reader};
	uint64_t ino;
	int status;

	*record = (struct intent_record){0};
	status = fs_key_parse_intent(key, &ino, &record->attempt, &record->index);
	code_record(&coder, record);
	coder_check(&coder, planted("fs:intent_of_another") || record->intent.ino == ino);
	return status < 0 ? status : finish_reading(&reader);
}

static void code_place(struct coder *coder, struct intent_place *place)
{
	coder_u64(coder, &place->ino);
	coder_check(coder, fs_ino_seq(place->ino) > 0);
	coder_u32(coder, &place->index);
	coder_check(coder, place->index < INTENTS_OF_ATTEMPT_MAX);
}

void intent_place_encode(const struct intent_place *place, struct writer *writer)
{
	struct coder coder = {.writer = writer};
	struct intent_place copy = *place;

	code_place(&coder, &copy);
	check(!coder.is_bad);
}

bool intent_place_next(struct slice *rest, struct intent_place *place)
{
	struct reader reader = reader_of(*rest);
	struct coder coder = {.reader = &reader};

	code_place(&coder, place);
	return take(&coder, rest);
}

int intent_places_check(struct slice list)
{
	struct intent_place place;
	uint32_t count = 0;

	while (count <= INTENTS_OF_ATTEMPT_MAX && intent_place_next(&list, &place))
		count++;
	return list_status(list, count, 1, INTENTS_OF_ATTEMPT_MAX);
}

void committed_record_encode(struct slice places, struct writer *writer)
{
	struct coder coder = {.writer = writer};

	check(intent_places_check(places) == 0);
	code_row_version(&coder);
	writer_bytes(writer, places.data, places.size);
}

int committed_record_decode(struct slice key, struct slice row, struct attempt *attempt, struct slice *places)
{
	struct reader reader = reader_of(row);
	struct coder coder = {.reader = &reader};
	int status = fs_key_parse_committed(key, attempt);

	code_row_version(&coder);
	*places = reader_bytes(&reader, reader.size);
	if (status == 0 && (reader.status < 0 || intent_places_check(*places) < 0))
		status = STATUS_CORRUPT;
	return status;
}

/* ---- What travels ---- */

static void code_fact(struct coder *coder, struct fact *fact)
{
	coder_slice(coder, &fact->key, FS_KEY_SIZE_MAX);
	coder_check(coder, dirid_of_row(fact->key) < FS_DIRID_END);
	coder_bool(coder, &fact->exists);
	coder_slice(coder, &fact->row, FACTS_SIZE_MAX);
	coder_check(coder, fact->exists || fact->row.size == 0);
}

void fact_encode(const struct fact *fact, struct writer *writer)
{
	struct coder coder = {.writer = writer};
	struct fact copy = *fact;

	code_fact(&coder, &copy);
	check(!coder.is_bad);
}

bool fact_next(struct slice *rest, struct fact *fact)
{
	struct reader reader = reader_of(*rest);
	struct coder coder = {.reader = &reader};

	code_fact(&coder, fact);
	return take(&coder, rest);
}

int facts_check(struct slice list)
{
	struct fact fact;

	if (list.size > FACTS_SIZE_MAX)
		return STATUS_MALFORMED;
	while (fact_next(&list, &fact))
		continue;
	return list.size == 0 ? 0 : STATUS_MALFORMED;
}

bool facts_find(struct slice list, struct slice key, struct fact *fact)
{
	while (fact_next(&list, fact))
		if (slice_compare(fact->key, key) == 0)
			return true;
	return false;
}

static void code_wanted(struct coder *coder, struct wanted *wanted)
{
	coder_u64(coder, &wanted->ino);
	coder_check(coder, fs_ino_seq(wanted->ino) > 0);
	coder_slice(coder, &wanted->name, FS_NAME_SIZE_MAX);
	coder_check(coder, wanted_is_sound(wanted));
	coder_bool(coder, &wanted->is_upward);
}

bool wanted_is_sound(const struct wanted *wanted)
{
	return wanted->name.size == 0 ||
	       (op_check_name(wanted->name) == 0 && fs_ino_is_directory(wanted->ino));
}

void wanted_encode(const struct wanted *wanted, struct writer *writer)
{
	struct coder coder = {.writer = writer};
	struct wanted copy = *wanted;

	code_wanted(&coder, &copy);
	check(!coder.is_bad);
}

bool wanted_next(struct slice *rest, struct wanted *wanted)
{
	struct reader reader = reader_of(*rest);
	struct coder coder = {.reader = &reader};

	code_wanted(&coder, wanted);
	return take(&coder, rest);
}

static int wanteds_check(struct slice list)
{
	struct wanted wanted;
	uint32_t count = 0;

	while (wanted_next(&list, &wanted))
		count++;
	return list_status(list, count, 1, UINT32_MAX);
}

static int check_lack(const struct lack *lack)
{
	struct op_reply reply;
	uint32_t count;

	switch (lack->kind) {
	case LACKS_ROWS:
		return wanteds_check(lack->list);
	case LACKS_ENDS:
		return attempts_check(lack->list, ATTEMPTS_OF_LACK_MAX, &count);
	case LACKS_INTENTS:
		return intents_check(lack->list);
	case LACKS_CHECK:
		return lack->list.size == 0 ? 0 : op_reply_decode(lack->list, &reply);
	default:
		return STATUS_MALFORMED;
	}
}

static void code_lack(struct coder *coder, struct lack *lack)
{
	uint8_t kind = (uint8_t)lack->kind;

	coder_version(coder, LACK_VERSION, LACK_VERSION);
	coder_u8(coder, &kind);
	lack->kind = (enum lack_kind)kind;
	coder_slice(coder, &lack->list, LACK_LIST_SIZE_MAX);
	coder_check(coder, check_lack(lack) == 0);
}

int lack_encode(const struct lack *lack, struct buf **reply)
{
	struct writer writer = writer_growing(LACK_LIST_SIZE_MAX + 16);
	struct coder coder = {.writer = &writer};
	struct lack copy = *lack;

	code_lack(&coder, &copy);
	check(!coder.is_bad);
	return writer_take(&writer, reply);
}

int lack_decode(struct slice reply, struct lack *lack)
{
	struct reader reader = reader_of(reply);
	struct coder coder = {.reader = &reader};

	*lack = (struct lack){0};
	code_lack(&coder, lack);
	return coder_finish(&coder) == 0 ? 0 : STATUS_MALFORMED;
}
