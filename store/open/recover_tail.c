#include "store/open/recover_tail.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proto/codec.h"
#include "proto/plant.h"
#include "store/log/log_record.h"
#include "store/log/log_tail.h"
#include "store/open/first_write.h"

#define STOP 1 /* of the walk over the tail */

struct tail_recovery {
	struct engines *engines;
	uint64_t known; /* the log has the record of this number */
	uint64_t written; /* records given to the log */
};

/* ---- A record as a write ---------------------------------------------------------------------------------------- */

/* A log write made of a record's parts, which borrows from it. */
struct tail_write {
	struct first_write first;
	struct raft_entries entries;
	struct slice *beside;
	struct raft_hard_state hard_state;
	bool has_hard_state;
};

static int take_entry(struct tail_write *write, const struct log_record *record)
{
	struct raft_entry entry = {.type = record->entry_type,
		.term = record->term,
		.index = record->index,
		.payload_size = record->payload_size,
		.data = record->data.size > 0 ? buf_copy(record->data.data, record->data.size) : NULL};
	struct slice *beside = realloc(write->beside, (write->entries.count + 1) * sizeof *beside);
	int status = beside && (entry.data || record->data.size == 0) ? 0 : -ENOMEM;

	if (beside)
		write->beside = beside;
	if (status == 0)
		status = raft_entries_append(&write->entries, &entry, 1);
	if (status == 0)
		write->beside[write->entries.count - 1] = record->beside;
	buf_unref(entry.data);
	return status;
}

static int take_hard_state(struct tail_write *write, const struct log_record *record)
{
	struct reader reader = reader_of(record->data);

	write->hard_state = (struct raft_hard_state){
		.term = record->term, .vote = reader_u64le(&reader), .commit = record->index};
	write->has_hard_state = true;
	return reader_finish(&reader);
}

/* Whether it may follow what the write has: a write is of one region, and its entries follow each other. */
static bool may_follow(const struct tail_write *write, const struct log_record *part)
{
	const struct raft_entries *entries = &write->entries;
	uint64_t region = write->first.write.region; /* 0: it has nothing yet */

	if (part->region == 0 || (region > 0 && part->region != region))
		return false;
	return part->kind != LOG_RECORD_ENTRY || entries->count == 0 ||
	       part->index == entries->items[entries->count - 1].index + 1;
}

/* Only entries and hard states are answered early. */
static int take_records(struct tail_write *write, const struct log_tail_record *record)
{
	struct slice left = record->records;

	while (left.size > 0) {
		struct log_record part;
		int status = log_record_decode(left, record->epoch, &part);

		if (status == 0 && !may_follow(write, &part))
			status = STATUS_CORRUPT;
		else if (status == 0 && part.kind == LOG_RECORD_ENTRY)
			status = take_entry(write, &part);
		else if (status == 0 && part.kind == LOG_RECORD_HARD_STATE)
			status = take_hard_state(write, &part);
		else if (status == 0)
			status = STATUS_CORRUPT;
		if (status < 0)
			return status;
		write->first.write.region = part.region;
		left = slice_of((const uint8_t *)left.data + log_record_size(&part),
			left.size - log_record_size(&part));
	}
	return write->entries.count > 0 ? 0 : STATUS_CORRUPT;
}

static void tail_write_close(struct tail_write *write)
{
	raft_entries_close(&write->entries);
	free(write->beside);
}

/* ---- The walk --------------------------------------------------------------------------------------------------- */

/* `*has`: the log has all entries of the write. STATUS_NOT_FOUND: it has nothing of the region, or an entry before the
 * first one is missing. */
static int look(const struct tail_recovery *recovery, const struct tail_write *write, bool *has)
{
	struct log_engine *log = recovery->engines->log;
	const struct raft_entry *entries = write->entries.items;
	uint64_t first, last;
	int status = log->ops->bounds(log, write->first.write.region, &first, &last);

	if (status < 0)
		return status;
	*has = entries[write->entries.count - 1].index <= last;
	return *has || entries[0].index == last + 1 ? 0 : STATUS_NOT_FOUND;
}

static int give(struct tail_recovery *recovery, struct tail_write *write)
{
	struct log_write *log = &write->first.write;

	log->entries = write->entries.items;
	log->entry_count = write->entries.count;
	log->beside = write->beside;
	log->hard_state = write->has_hard_state ? &write->hard_state : NULL;
	recovery->written++;
	return first_writes_run(recovery->engines, &write->first, 1);
}

/* The record may be given to the log if nothing before it is missing. */
static bool is_next(const struct tail_recovery *recovery, const struct log_tail_record *record)
{
	PLANT("early:gap_skipped", return true);
	return record->number == 1 || recovery->known == record->number - 1 ||
	       record->durable == record->number - 1;
}

static int each_record(void *argument, const struct log_tail_record *record)
{
	struct tail_recovery *recovery = argument;
	struct tail_write write = {0};
	bool has = false;
	int status = take_records(&write, record);

	if (status == 0)
		status = look(recovery, &write, &has);
	if (status == 0 && !has)
		status = is_next(recovery, record) ? give(recovery, &write) : STOP;
	if (status == 0)
		recovery->known = record->number;
	tail_write_close(&write);
	return status == STATUS_NOT_FOUND ? STOP : status;
}

int recover_tail(struct engines *engines, const char *path, struct status *status)
{
	struct tail_recovery recovery = {.engines = engines};
	int code = log_tail_read(engines->env, path, each_record, &recovery);

	if (code < 0)
		return status_set(
			status, code, "%s cannot be taken over into the log: %s", path, status_name(code));
	if (recovery.written > 0)
		log_info(engines->logger,
			"msg=\"changes that were answered early are in the log now\" count=%llu",
			(unsigned long long)recovery.written);
	return 0;
}
