#include "tests/raft_chaos/disk.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proto/check.h"

uint64_t disk_image_last_index(const struct disk_image *image)
{
	return image->compacted + image->entries.count;
}

uint64_t disk_image_term(const struct disk_image *image, uint64_t index)
{
	if (index == image->compacted)
		return image->compacted_term;
	if (index < image->compacted || index > disk_image_last_index(image))
		return 0;
	return image->entries.items[index - image->compacted - 1].term;
}

bool disk_image_covers(const struct disk_image *image, uint64_t index, uint64_t term)
{
	return index <= image->compacted || disk_image_term(image, index) == term;
}

struct buf *machine_encode(const struct machine *machine)
{
	struct buf *buf = buf_copy(&machine->chain, sizeof machine->chain);

	check(buf != NULL);
	return buf;
}

struct machine machine_of_snapshot(const struct raft_snapshot *snapshot)
{
	struct machine machine = {
		.applied = snapshot->index,
		.applied_term = snapshot->term,
		.conf = conf_mask_of(&snapshot->conf_state),
	};

	check(snapshot->data != NULL);
	check(snapshot->data->size == sizeof machine.chain);
	memcpy(&machine.chain, snapshot->data->data, sizeof machine.chain);
	return machine;
}

static void image_drop_front(struct disk_image *image, uint64_t compact_to)
{
	struct raft_entries kept = {0};
	size_t dropped = (size_t)(compact_to - image->compacted);

	if (compact_to <= image->compacted)
		return;
	check(compact_to <= disk_image_last_index(image));
	image->compacted_term = disk_image_term(image, compact_to);
	image->compacted = compact_to;
	check(raft_entries_append(&kept, image->entries.items + dropped, image->entries.count - dropped) ==
		0);
	raft_entries_close(&image->entries);
	image->entries = kept;
}

static void image_append(struct disk_image *image, const struct raft_entries *entries)
{
	const struct raft_entry *items = entries->items;
	size_t count = entries->count;

	while (count > 0 && items->index <= image->compacted) {
		items++;
		count--;
	}
	if (count == 0)
		return;
	check(items->index <= disk_image_last_index(image) + 1);
	raft_entries_truncate(&image->entries, (size_t)(items->index - image->compacted - 1));
	check(raft_entries_append(&image->entries, items, count) == 0);
}

static void image_apply(struct disk_image *image, const struct disk_record *record)
{
	if (record->is_snapshot) {
		raft_entries_truncate(&image->entries, 0);
		image->compacted = record->machine.applied;
		image->compacted_term = record->machine.applied_term;
	}
	if (record->has_machine)
		image->machine = record->machine;
	image_append(image, &record->entries);
	if (record->has_hard)
		image->hard = record->hard;
	image_drop_front(image, record->compact_to);
}

void disk_write(struct disk *disk, struct disk_record *record)
{
	if (disk->count == disk->capacity) {
		disk->capacity = disk->capacity ? disk->capacity * 2 : 8;
		disk->records = realloc(disk->records, disk->capacity * sizeof *disk->records);
		check(disk->records != NULL);
	}
	image_apply(&disk->live, record);
	disk->records[disk->count++] = *record;
	*record = (struct disk_record){0};
}

static void drop_records(struct disk *disk, size_t count)
{
	for (size_t i = 0; i < count; i++)
		raft_entries_close(&disk->records[i].entries);
	disk->count -= count;
	memmove(disk->records, disk->records + count, disk->count * sizeof *disk->records);
}

void disk_sync(struct disk *disk, size_t count)
{
	if (count > disk->count)
		count = disk->count;
	for (size_t i = 0; i < count; i++)
		image_apply(&disk->durable, &disk->records[i]);
	if (count > 0)
		drop_records(disk, count);
}

void disk_crash(struct disk *disk)
{
	struct raft_entries entries = disk->live.entries;

	disk_sync(disk, (size_t)random_below(&disk->random, disk->count + 1));
	if (disk->count > 0)
		drop_records(disk, disk->count);
	raft_entries_truncate(&entries, 0);
	check(raft_entries_append(&entries, disk->durable.entries.items, disk->durable.entries.count) == 0);
	disk->live = disk->durable;
	disk->live.entries = entries;
	disk->failing_reads = 0;
}

/* ---- The storage that the node reads ---- */

static int maybe_fail(struct disk *disk)
{
	if (disk->failing_reads == 0)
		return 0;
	disk->failing_reads--;
	if (random_chance(&disk->random, 500))
		return 0;
	disk->has_failed_read = true;
	return -EIO;
}

static int read_initial_state(
	struct raft_storage *storage, struct raft_hard_state *hard, struct raft_conf_state *conf)
{
	const struct disk_image *image = &((struct disk *)storage)->live;

	*hard = image->hard;
	if (hard->commit < image->machine.applied) /* the applied index may become durable first */
		hard->commit = image->machine.applied;
	return conf_mask_to_state(&image->machine.conf, conf);
}

static int read_entries(struct raft_storage *storage, uint64_t low, uint64_t high, uint64_t size_max,
	struct raft_entries *out)
{
	struct disk *disk = (struct disk *)storage;
	const struct disk_image *image = &disk->live;
	const struct raft_entry *items;
	uint64_t size = 0;
	size_t count = 0;
	int status = maybe_fail(disk);

	if (status)
		return status;
	if (low <= image->compacted)
		return STATUS_COMPACTED;
	if (high > disk_image_last_index(image) + 1)
		return STATUS_UNAVAILABLE;
	items = image->entries.items + (low - image->compacted - 1);
	for (; count < high - low; count++) {
		size += raft_entry_size(&items[count]);
		if (size > size_max && count > 0)
			break;
	}
	return raft_entries_append(out, items, count);
}

static int read_term(struct raft_storage *storage, uint64_t index, uint64_t *term)
{
	struct disk *disk = (struct disk *)storage;
	int status = maybe_fail(disk);

	if (status)
		return status;
	if (index < disk->live.compacted)
		return STATUS_COMPACTED;
	if (index > disk_image_last_index(&disk->live))
		return STATUS_UNAVAILABLE;
	*term = disk_image_term(&disk->live, index);
	return 0;
}

static int read_first_index(struct raft_storage *storage, uint64_t *index)
{
	struct disk *disk = (struct disk *)storage;

	*index = disk->live.compacted + 1;
	return maybe_fail(disk);
}

static int read_last_index(struct raft_storage *storage, uint64_t *index)
{
	struct disk *disk = (struct disk *)storage;

	*index = disk_image_last_index(&disk->live);
	return maybe_fail(disk);
}

/* A snapshot of the state machine as it is now, so always at or past the compacted index. */
static int read_snapshot(struct raft_storage *storage, struct raft_snapshot *out)
{
	struct disk *disk = (struct disk *)storage;
	const struct machine *machine = &disk->live.machine;
	int status = maybe_fail(disk);

	if (status)
		return status;
	if (random_chance(&disk->random, 200))
		return STATUS_SNAPSHOT_UNAVAILABLE;
	*out = (struct raft_snapshot){.index = machine->applied, .term = machine->applied_term};
	status = conf_mask_to_state(&machine->conf, &out->conf_state);
	out->data = machine_encode(machine);
	return status;
}

void disk_init(struct disk *disk, uint64_t seed)
{
	*disk = (struct disk){
		.storage =
			{
				.initial_state = read_initial_state,
				.entries = read_entries,
				.term = read_term,
				.first_index = read_first_index,
				.last_index = read_last_index,
				.snapshot = read_snapshot,
			},
		.random = {seed},
	};
}

void disk_close(struct disk *disk)
{
	if (disk->count > 0)
		drop_records(disk, disk->count);
	free(disk->records);
	raft_entries_close(&disk->durable.entries);
	raft_entries_close(&disk->live.entries);
}
