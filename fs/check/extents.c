/*
 * extents.c: the units of files. The pass marks each unit used in the block store, as every start does. The block store
 * refuses units that it does not have or that are marked already. A second walk then reports all files that have such a
 * unit.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "fs/check/check.h"
#include "store/rows/extents.h"

#define CONFLICT_COUNT_MAX 1024

struct extents {
	/* The current object. */
	struct inodes_item *item; /* NULL: its inode does not exist, or is damaged */
	struct inode inode;
	uint64_t ino;
	uint64_t mapped; /* units, below the inode's cut */
	uint64_t beyond; /* units past the end of the file, below its cut */
	uint64_t damaged; /* units */
	uint64_t damaged_first; /* unit */
	/* Units that the block store refused. */
	uint64_t conflicts[CONFLICT_COUNT_MAX]; /* addresses */
	size_t conflict_count;
	bool is_searching; /* the second walk */
	uint64_t shared; /* units of the current object among the conflicts */
	uint64_t shared_first; /* unit */
	bool is_unreadable[EXTENT_ROW_UNITS]; /* units of the current run */
	uint8_t unit[EXTENT_ROW_UNITS * BLOCK_UNIT_SIZE];
};

static uint64_t units_of(uint64_t size)
{
	return size / BLOCK_UNIT_SIZE + (size % BLOCK_UNIT_SIZE > 0);
}

/* ---- An object's end ---- */

static void end_counts(struct check *check, const struct extents *extents)
{
	const struct inode *inode = &extents->inode;

	if (inode->data != INODE_DATA_UNITS) {
		report_add(&check->report, "units-unmarked", extents->ino,
			"it has %" PRIu64 " units of data, but says that its data lies elsewhere",
			extents->mapped + extents->beyond);
		return;
	}
	if (extents->beyond > 0)
		report_add(&check->report, "units-beyond", extents->ino,
			"%" PRIu64 " units of data lie past its end", extents->beyond);
	if (extents->mapped != inode->units)
		report_fix(report_add(&check->report, "unit-count", extents->ino,
				   "it has %" PRIu64 " units of data, but counts %" PRIu64, extents->mapped,
				   inode->units),
			FIX_UNIT_COUNT, extents->ino, extents->mapped);
}

static void end_object(struct check *check, struct extents *extents)
{
	if (extents->ino == 0)
		return;
	if (extents->shared > 0)
		report_add(&check->report, "units-shared", extents->ino,
			"%" PRIu64 " of its units, from byte %" PRIu64
			" on, are another file's, too, or not the block store's",
			extents->shared, extents->shared_first * BLOCK_UNIT_SIZE);
	if (extents->damaged > 0)
		report_add(&check->report, "data-damaged", extents->ino,
			"%" PRIu64 " units of its data, from byte %" PRIu64 " on, are damaged",
			extents->damaged, extents->damaged_first * BLOCK_UNIT_SIZE);
	if (extents->item && !extents->is_searching)
		end_counts(check, extents);
}

static int begin_object(struct check *check, struct extents *extents, uint64_t ino)
{
	int status;

	end_object(check, extents);
	extents->ino = ino;
	extents->mapped = extents->beyond = extents->damaged = extents->shared = 0;
	extents->item = inodes_find(&check->inodes, ino);
	if (!extents->item) {
		if (!extents->is_searching)
			report_add(&check->report, "units-alone", ino,
				"there is data of this inode, which does not exist");
		return 0;
	}
	extents->item->flags |= INODES_FOUND_UNITS;
	if (extents->item->flags & INODES_IS_DAMAGED)
		extents->item = NULL;
	status = extents->item ? check_get_inode(check, ino, &extents->inode) : 0;
	return status;
}

/* ---- Units ---- */

static void add_conflict(struct extents *extents, uint64_t address)
{
	if (extents->conflict_count < CONFLICT_COUNT_MAX)
		extents->conflicts[extents->conflict_count++] = address;
}

/* Marks the run used, and unit by unit when the block store refuses it. False: it refused some units. */
static bool mark_used(struct check *check, struct extents *extents, struct block_extent extent)
{
	struct blocks *blocks = check->inspect->blocks;

	if (blocks_mark_used(blocks, extent, NULL) == 0)
		return true;
	for (uint32_t i = 0; i < extent.count; i++)
		if (blocks_mark_used(blocks, (struct block_extent){extent.address + i, 1}, NULL) < 0)
			add_conflict(extents, extent.address + i);
	return false;
}

/* The second walk: counts the run's units that are in conflict. */
static void search(struct extents *extents, uint64_t first, struct block_extent extent)
{
	for (size_t i = 0; i < extents->conflict_count; i++) {
		uint64_t address = extents->conflicts[i];

		if (address < extent.address || address >= extent.address + extent.count)
			continue;
		if (extents->shared++ == 0)
			extents->shared_first = first + address - extent.address;
	}
}

static void add_damage(struct extents *extents, uint64_t unit)
{
	if (extents->damaged++ == 0)
		extents->damaged_first = unit;
}

/* Reads the run, and unit by unit when that fails, so that one unreadable unit does not hide the others. */
static void read_run(struct check *check, struct extents *extents, struct block_extent extent)
{
	struct blocks *blocks = check->inspect->blocks;

	check->counts.units_read += extent.count;
	if (blocks_read_now(blocks, extent, 0, extents->unit, extent.count) == 0)
		return;
	for (uint32_t i = 0; i < extent.count; i++) {
		uint8_t *bytes = extents->unit + (size_t)i * BLOCK_UNIT_SIZE;

		extents->is_unreadable[i] = blocks_read_now(blocks, extent, i, bytes, 1) < 0;
	}
}

static void verify(struct check *check, struct extents *extents, uint64_t first, struct block_extent extent,
	const struct extent_unit *units)
{
	memset(extents->is_unreadable, 0, sizeof extents->is_unreadable);
	read_run(check, extents, extent);
	for (uint32_t i = 0; i < extent.count; i++) {
		const uint8_t *bytes = extents->unit + (size_t)i * BLOCK_UNIT_SIZE;

		if ((extents->is_unreadable[i] || blocks_checksum(bytes) != units[i].checksum) &&
			!inspect_is_rewritten(check->inspect, units[i].region, units[i].index))
			add_damage(extents, first + i);
	}
}

static void count_units(struct extents *extents, uint64_t first, uint32_t count)
{
	uint64_t end = units_of(extents->inode.attributes.size);

	for (uint64_t unit = first; unit < first + count; unit++) {
		if (unit < end)
			extents->mapped++;
		else if (unit < extents->inode.cut)
			extents->beyond++;
	}
}

static void visit_run(struct check *check, struct extents *extents, uint64_t first, uint32_t count,
	const struct extent_unit *units)
{
	struct block_extent extent = {units->address, count};

	if (extents->is_searching) {
		search(extents, first, extent);
		return;
	}
	check->counts.units += count;
	if (extents->item)
		count_units(extents, first, count);
	if (!check->inspect->blocks || extent.address >= INSPECT_LOG_ADDRESS)
		return; /* no bytes to read, or bytes in the log, whose checksums were checked */
	if (mark_used(check, extents, extent) && check->options.data)
		verify(check, extents, first, extent, units);
}

/* Visits the row's units in runs that are contiguous in the object and on the disk. */
static void visit_units(
	struct check *check, struct extents *extents, uint64_t first, const struct extent_row *row)
{
	for (uint32_t i = 0; i < EXTENT_ROW_UNITS;) {
		const struct extent_unit *units = &row->units[i];
		uint32_t count = 1;

		if (units->address != EXTENT_HOLE) {
			while (i + count < EXTENT_ROW_UNITS && units[count].address == units->address + count)
				count++;
			visit_run(check, extents, first + i, count, units);
		}
		i += count;
	}
}

static int visit(struct check *check, void *argument, struct slice key, struct slice value)
{
	struct extents *extents = argument;
	struct check_key parsed;
	struct extent_row row;
	uint64_t first;
	int status = 0;

	if (!check_parse_key(slice_of((const uint8_t *)key.data + 1, key.size - 1), &parsed) ||
		parsed.letter != 'D' || key.size != 1 + fs_key_object(0).size + sizeof(uint64_t) ||
		extent_row_first(key, &first) < 0) {
		report_add(&check->report, "row-unknown", 0, "there is a row of units of no file");
		return 0;
	}
	if (parsed.ino != extents->ino)
		status = begin_object(check, extents, parsed.ino);
	if (status < 0)
		return status;
	if (extent_row_decode(value, &row) < 0) {
		if (!extents->is_searching)
			report_add(&check->report, "extents-damaged", parsed.ino,
				"the row that says where its data from byte %" PRIu64 " on lies is damaged",
				first * BLOCK_UNIT_SIZE);
		return 0;
	}
	visit_units(check, extents, first, &row);
	return 0;
}

static int walk(struct check *check, struct extents *extents)
{
	struct key low, high;
	int status;

	extents->ino = 0;
	key_objects(&low, &high);
	status = check_walk(check, &low, &high, visit, extents);
	if (status == 0)
		end_object(check, extents);
	return status;
}

int check_extents(struct check *check)
{
	struct extents *extents = calloc(1, sizeof *extents);
	int status = -ENOMEM;

	check->pass = check->options.data ? "data" : "units";
	if (extents)
		status = walk(check, extents);
	if (status == 0 && extents->conflict_count > 0) {
		extents->is_searching = true;
		status = walk(check, extents);
	}
	free(extents);
	return status;
}
