#include "store/transport/lives.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "proto/codec.h"
#include "proto/container.h"
#include "proto/plant.h"

#define MARK_NAME    "lives"
#define MARK_VERSION 1

/* ---- Judging ---------------------------------------------------------------------------------------------------- */

static struct life_entry *find(const struct lives *lives, uint64_t store)
{
	for (uint32_t i = 0; i < lives->count; i++)
		if (lives->entries[i].record.store == store)
			return &lives->entries[i];
	return NULL;
}

/* Whether the directory remembers the recorded life. A directory with the maximal number of lives may have forgotten
 * it. */
static bool remembers(const struct life_claim *claim, const struct life_record *known)
{
	uint64_t back = claim->incarnation - known->incarnation;

	PLANT("members:copies_welcome", return true);
	if (known->life == 0)
		return true;
	if (back < claim->life_count)
		return claim->lives[back] == known->life;
	return claim->life_count >= IDENT_LIVES_MAX;
}

static int judge(const struct life_entry *known, const struct life_claim *claim, struct status *refusal)
{
	const struct life_record *record = &known->record;
	uint64_t newest = record->incarnation > known->entered ? record->incarnation : known->entered;

	PLANT("members:old_lives_welcome", return 0);
	if (known->is_out)
		return status_set(refusal, -ESTALE,
			"store %" PRIu64 " was removed or lost: it is no member of the cluster any more",
			claim->store);
	if (record->directory_id > 0 && claim->directory_id > 0 &&
		record->directory_id != claim->directory_id)
		return status_set(refusal, -ESTALE,
			"this is not the directory of store %" PRIu64
			", but one that was made anew: put that one back, or see 'raftkv store replace "
			"%" PRIu64 "'",
			claim->store, claim->store);
	if (claim->incarnation < newest || !remembers(claim, record))
		return status_set(refusal, -ESTALE,
			"this directory of store %" PRIu64 " is an old copy, made before life %" PRIu64
			" of the store: put the newest one back, or see 'raftkv store replace %" PRIu64 "'",
			claim->store, newest, claim->store);
	return 0;
}

int lives_judge(const struct lives *lives, const struct life_claim *claim, struct status *refusal)
{
	const struct life_entry *known = find(lives, claim->store);

	return known ? judge(known, claim, refusal) : 0;
}

/* ---- The mark --------------------------------------------------------------------------------------------------- */

static struct life_entry *find_or_add(struct lives *lives, uint64_t store)
{
	struct life_entry *entry = find(lives, store);
	uint32_t capacity = lives->capacity > 0 ? lives->capacity * 2 : 8;

	if (entry || lives->count == LIVES_STORES_MAX)
		return entry;
	if (lives->count == lives->capacity) {
		entry = realloc(lives->entries, capacity * sizeof *entry);
		if (!entry)
			return NULL;
		lives->entries = entry;
		lives->capacity = capacity;
	}
	entry = &lives->entries[lives->count++];
	*entry = (struct life_entry){.record.store = store};
	return entry;
}

int lives_decode(struct lives *lives, struct slice bytes)
{
	struct reader reader = reader_of(bytes);

	if (reader_u8(&reader) != MARK_VERSION)
		return STATUS_CORRUPT;
	while (reader_has_more(&reader) && lives->count < LIVES_STORES_MAX) {
		struct life_record record = {.store = reader_u64le(&reader)};
		struct life_entry *entry =
			find(lives, record.store) ? NULL : find_or_add(lives, record.store);

		record.directory_id = reader_u64le(&reader);
		record.incarnation = reader_u64le(&reader);
		record.life = reader_u64le(&reader);
		if (!entry || record.store == 0)
			return STATUS_CORRUPT;
		entry->record = record;
	}
	return reader_finish(&reader) == 0 ? 0 : STATUS_CORRUPT;
}

int lives_encode(const struct lives *lives, struct buf **bytes)
{
	struct writer writer = writer_growing(LIVES_SIZE_MAX);

	writer_u8(&writer, MARK_VERSION);
	for (uint32_t i = 0; i < lives->count; i++) {
		const struct life_record *record = &lives->entries[i].record;

		writer_u64le(&writer, record->store);
		writer_u64le(&writer, record->directory_id);
		writer_u64le(&writer, record->incarnation);
		writer_u64le(&writer, record->life);
	}
	return writer_take(&writer, bytes);
}

int lives_open(struct lives *lives, struct engines *engines, struct env_loop *loop, struct status *status)
{
	struct buf *bytes;
	int code = engines->log->ops->mark(engines->log, 0, MARK_NAME, &bytes);

	lives->engines = engines;
	lives->loop = loop;
	lives->end = &lives->first;
	PLANT("members:lives_forgotten", return 0);
	if (code == STATUS_NOT_FOUND)
		return 0;
	if (code == 0) {
		code = lives_decode(lives, buf_slice(bytes));
		buf_unref(bytes);
	}
	return code < 0 ? status_set(status, code,
				  "what the log of %s says of other stores' lives cannot be read: %s",
				  engines->dir.path, status_name(code))
			: 0;
}

/* ---- Writing it ------------------------------------------------------------------------------------------------- */

static void log_durable(const struct lives *lives, uint64_t before)
{
	for (uint32_t i = 0; i < lives->count; i++) {
		const struct life_entry *entry = &lives->entries[i];

		if (entry->version > before && entry->version <= lives->durable && entry->record.life > 0)
			log_info(lives->engines->logger,
				"msg=\"a life of a store is on record\" store=%" PRIu64
				" incarnation=%" PRIu64 " life=%016" PRIx64,
				entry->record.store, entry->record.incarnation, entry->record.life);
	}
}

/* Ends the admissions that wait for `version` or an earlier one. */
static void lives_finish(struct lives *lives, uint64_t version, int status)
{
	while (lives->first && lives->first->version <= version) {
		struct life_admission *admission = lives->first;

		lives->first = admission->next;
		if (!lives->first)
			lives->end = &lives->first;
		admission->done(admission, status);
	}
}

static void write_mark(struct lives *lives);

static void lives_on_written(struct log_write *write, int status)
{
	struct lives *lives = container_of(write, struct lives, write);
	uint64_t before = lives->durable;

	buf_unref(lives->bytes);
	lives->is_writing = false;
	if (status < 0) {
		engines_fail(lives->engines, status, "the lives of other stores cannot be recorded");
		lives_finish(lives, UINT64_MAX, status);
	} else {
		lives->durable = lives->writing;
		log_durable(lives, before);
		lives_finish(lives, lives->durable, 0);
		write_mark(lives);
	}
	if (lives->is_stopping && !lives->is_writing)
		lives->stopped(lives->stopped_argument);
}

static void write_mark(struct lives *lives)
{
	struct log_engine *log = lives->engines->log;
	int status;

	if (lives->is_writing || lives->durable == lives->version)
		return;
	status = lives_encode(lives, &lives->bytes);
	if (status < 0) {
		engines_fail(lives->engines, status, "out of memory for the lives of other stores");
		lives_finish(lives, UINT64_MAX, status);
		return;
	}
	lives->is_writing = true;
	lives->writing = lives->version;
	lives->mark = (struct log_mark){MARK_NAME, buf_slice(lives->bytes)};
	lives->write = (struct log_write){
		.marks = &lives->mark, .mark_count = 1, .loop = lives->loop, .done = lives_on_written};
	log->ops->write(log, &lives->write);
}

/* ---- What comes ------------------------------------------------------------------------------------------------- */

static bool is_on_record(const struct life_record *record, const struct life_claim *claim)
{
	return record->incarnation == claim->incarnation &&
	       (claim->directory_id == 0 || record->directory_id == claim->directory_id) &&
	       (claim->life_count == 0 || record->life == claim->lives[0]);
}

static void wait_for(struct lives *lives, const struct life_entry *entry, struct life_admission *admission)
{
	admission->next = NULL;
	admission->version = entry->version;
	*lives->end = admission;
	lives->end = &admission->next;
}

int lives_admit(struct lives *lives, const struct life_claim *claim, struct life_admission *admission,
	struct status *refusal)
{
	struct life_entry *entry = find_or_add(lives, claim->store);

	if (!entry)
		return status_set(refusal, -ENOSPC, "too many stores are on record");
	if (judge(entry, claim, refusal) < 0)
		return -ESTALE;
	if (lives->is_stopping || atomic_load(&lives->engines->has_failed))
		return status_set(refusal, -EBUSY, "this store is stopping");
	if (!is_on_record(&entry->record, claim)) {
		entry->record = (struct life_record){.store = claim->store,
			.directory_id =
				claim->directory_id > 0 ? claim->directory_id : entry->record.directory_id,
			.incarnation = claim->incarnation,
			.life = claim->life_count > 0 ? claim->lives[0] : 0};
		entry->version = ++lives->version;
	}
	write_mark(lives);
	PLANT("members:heeded_unrecorded", return 0);
	if (entry->version <= lives->durable)
		return 0;
	if (admission)
		wait_for(lives, entry, admission);
	return STATUS_WOULD_BLOCK;
}

int lives_learn(struct lives *lives, uint64_t store, uint64_t incarnation, uint64_t directory_id, bool is_out)
{
	struct life_entry *entry = store == engines_store(lives->engines) ? NULL : find_or_add(lives, store);

	if (!entry)
		return store == engines_store(lives->engines) || lives->count == LIVES_STORES_MAX ? 0
												  : -ENOMEM;
	if (incarnation > entry->entered)
		entry->entered = incarnation;
	entry->is_out |= is_out;
	if (directory_id == 0 || entry->record.directory_id > 0)
		return 0;
	entry->record.directory_id = directory_id;
	entry->version = ++lives->version;
	if (!lives->is_stopping && env_loop_is_current(lives->loop))
		write_mark(lives);
	return 0;
}

/* ---- Ending ----------------------------------------------------------------------------------------------------- */

void lives_stop(struct lives *lives)
{
	lives->is_stopping = true;
	if (!lives->is_writing)
		lives->stopped(lives->stopped_argument);
}

void lives_close(struct lives *lives)
{
	free(lives->entries);
}
