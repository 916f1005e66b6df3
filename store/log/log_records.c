#include "store/log/log_records.h"

#include <string.h>

#include "proto/codec.h"

static int each_entry(const struct log_write *write, log_record_cb each, void *argument)
{
	for (size_t i = 0; i < write->entry_count; i++) {
		const struct raft_entry *entry = &write->entries[i];
		struct log_record record = {
			.kind = LOG_RECORD_ENTRY,
			.entry_type = (uint8_t)entry->type,
			.payload_size = entry->payload_size,
			.region = write->region,
			.index = entry->index,
			.term = entry->term,
			.data = buf_slice(entry->data),
			.beside = write->beside ? write->beside[i] : (struct slice){0},
		};
		int status = each(argument, &record, entry);

		if (status < 0)
			return status;
	}
	return 0;
}

static int each_state(
	uint64_t region, const struct raft_hard_state *hard_state, log_record_cb each, void *argument)
{
	uint8_t vote[8];
	struct writer writer = writer_fixed(vote, sizeof(vote));
	struct log_record record = {
		.kind = LOG_RECORD_HARD_STATE,
		.region = region,
		.index = hard_state->commit,
		.term = hard_state->term,
		.data = slice_of(vote, sizeof(vote)),
	};

	writer_u64le(&writer, hard_state->vote);
	return each(argument, &record, NULL);
}

static int each_mark(
	uint64_t region, const char *name, struct slice value, log_record_cb each, void *argument)
{
	struct log_record record = {
		.kind = LOG_RECORD_MARK,
		.region = region,
		.data = slice_of(name, strlen(name)),
		.beside = value,
	};

	return each(argument, &record, NULL);
}

int log_records_of_write(const struct log_write *write, log_record_cb each, void *argument)
{
	int status = 0;

	if (write->destroy)
		status = each(argument,
			&(struct log_record){.kind = LOG_RECORD_DESTROY, .region = write->region}, NULL);
	if (status == 0 && write->reset_index > 0)
		status = each(argument,
			&(struct log_record){.kind = LOG_RECORD_RESET,
				.region = write->region,
				.index = write->reset_index,
				.term = write->reset_term},
			NULL);
	if (status == 0)
		status = each_entry(write, each, argument);
	if (status == 0 && write->hard_state)
		status = each_state(write->region, write->hard_state, each, argument);
	for (size_t i = 0; i < write->mark_count && status == 0; i++)
		status =
			each_mark(write->region, write->marks[i].name, write->marks[i].value, each, argument);
	return status;
}

int log_records_of_region(const struct log_region *region, log_record_cb each, void *argument)
{
	int status = 0;

	if (region->base_index > 0)
		status = each(argument,
			&(struct log_record){.kind = LOG_RECORD_BASE,
				.region = region->id,
				.index = region->base_index,
				.term = region->base_term},
			NULL);
	if (status == 0 && region->hard_state_segment > 0)
		status = each_state(region->id, &region->hard_state, each, argument);
	for (const struct log_region_mark *mark = region->marks; mark && status == 0; mark = mark->next)
		status = each_mark(region->id, mark->name, buf_slice(mark->value), each, argument);
	return status;
}

static int add_size(void *argument, const struct log_record *record, const struct raft_entry *entry)
{
	uint64_t *size = argument;

	(void)entry;
	*size += log_record_size(record);
	return 0;
}

uint64_t log_records_size_of_write(const struct log_write *write)
{
	uint64_t size = 0;

	log_records_of_write(write, add_size, &size);
	return size;
}

uint64_t log_records_size_of_region(const struct log_region *region)
{
	uint64_t size = 0;

	log_records_of_region(region, add_size, &size);
	return size;
}
