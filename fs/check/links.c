/*
 * links.c: checks that need the whole table: link counts, counts of entries, parents, loops, unreachable inodes.
 */
#include <inttypes.h>

#include "fs/check/check.h"

enum visit { VISIT_NONE, VISIT_REACHED, VISIT_LOST, VISIT_FIRST_WALK };

static struct inodes_item *item_of(struct check *check, const struct inodes_directory *directory)
{
	return &check->inodes.items[directory->item];
}

/* ---- Reachability ---- */

/* Goes up by the names that were found, to a directory whose verdict is known, and sets `visit` to the walk's number on
 * the way. Returns the verdict. */
static uint32_t walk_up(struct check *check, struct inodes_directory *directory, uint32_t walk)
{
	while (directory && directory->visit == VISIT_NONE) {
		directory->visit = walk;
		if (item_of(check, directory)->ino == FS_ROOT_INO)
			return VISIT_REACHED;
		directory = inodes_find_directory(&check->inodes, directory->named_in);
	}
	if (!directory)
		return VISIT_LOST;
	if (directory->visit == walk) {
		report_add(&check->report, "directory-loop", item_of(check, directory)->ino,
			"this directory lies inside itself");
		return VISIT_LOST;
	}
	return directory->visit;
}

static void mark(struct check *check, struct inodes_directory *directory, uint32_t walk, uint32_t verdict)
{
	while (directory && directory->visit == walk) {
		directory->visit = verdict;
		directory = inodes_find_directory(&check->inodes, directory->named_in);
	}
}

static void find_loops(struct check *check)
{
	for (size_t i = 0; i < check->inodes.directory_count; i++) {
		struct inodes_directory *directory = &check->inodes.directories[i];
		uint32_t walk = VISIT_FIRST_WALK + (uint32_t)i;

		if (directory->visit == VISIT_NONE)
			mark(check, directory, walk, walk_up(check, directory, walk));
	}
}

/* ---- One inode ---- */

/* `may_be_more`: there may be names on other stores. */
static void check_link_count(
	struct check *check, const struct inodes_item *item, uint32_t links, bool may_be_more)
{
	if (item->nlink < links || (item->nlink > links && !may_be_more))
		report_fix(
			report_add(&check->report, "link-count", item->ino,
				"its link count is %" PRIu32 ", it should be %" PRIu32, item->nlink, links),
			FIX_LINK_COUNT, item->ino, links);
}

static bool is_held(struct check *check, const struct inodes_item *item)
{
	bool held = item->nlink == 0 && (item->flags & INODES_FOUND_HOLDER);

	check->counts.held += held;
	return held;
}

static void check_directory(
	struct check *check, const struct inodes_item *item, const struct inodes_directory *directory)
{
	uint32_t links = 2 + directory->subdirectories;
	bool is_root = item->ino == FS_ROOT_INO;

	if (item->flags & INODES_IS_UNSETTLED)
		return;
	if (directory->entries != directory->entries_found)
		report_fix(report_add(&check->report, "entry-count", item->ino,
				   "it has %" PRIu64 " entries, but counts %" PRIu64,
				   directory->entries_found, directory->entries),
			FIX_ENTRY_COUNT, item->ino, directory->entries_found);
	if (!is_root && directory->named_in == 0 &&
		(item->nlink == 0 || !check_is_elsewhere(check, directory->parent))) {
		if (!is_held(check, item))
			report_fix(report_add(&check->report, "unreachable", item->ino,
					   "no name leads to this directory"),
				FIX_ADOPT, item->ino, links);
		return;
	}
	if (!is_root && item->names == 1 && directory->parent != directory->named_in)
		report_fix(
			report_add(&check->report, "parent-wrong", item->ino,
				"it says that its parent is inode %" PRIu64 ", but it is in inode %" PRIu64,
				directory->parent, directory->named_in),
			FIX_PARENT, item->ino, directory->named_in);
	check_link_count(check, item, links, false);
}

static void check_data(struct check *check, const struct inodes_item *item)
{
	if ((item->flags & INODES_IS_TINY) && !(item->flags & INODES_FOUND_TINY))
		report_add(&check->report, "tiny-missing", item->ino,
			"its content (%" PRIu32 " bytes) is missing", item->extra);
	if ((item->flags & INODES_HAS_UNITS) && !(item->flags & INODES_FOUND_UNITS) &&
		!check->options.is_live)
		report_fix(report_add(&check->report, "unit-count", item->ino,
				   "it counts units of data, but has none"),
			FIX_UNIT_COUNT, item->ino, 0);
	if ((item->flags & INODES_IS_CUT) && !(item->flags & INODES_FOUND_GARBAGE))
		report_fix(report_add(&check->report, "garbage-unlisted", item->ino,
				   "the space of what was cut off it would never come back"),
			FIX_GARBAGE, item->ino, 0);
}

static void check_file(struct check *check, const struct inodes_item *item)
{
	check_data(check, item);
	if (item->flags & INODES_IS_UNSETTLED)
		return;
	if (item->flags & INODE_IS_DEAD) {
		if (item->names > 0)
			report_add(&check->report, "entry-dead", item->ino,
				"%" PRIu32 " entries mean this file, which was removed", item->names);
		return;
	}
	if (item->names > 0 || (!check->is_whole && item->nlink > 0))
		check_link_count(check, item, item->names, !check->is_whole);
	else if (!is_held(check, item))
		report_fix(report_add(&check->report, "unreachable", item->ino, "no name leads to this file"),
			FIX_ADOPT, item->ino, 0);
}

void check_links(struct check *check)
{
	find_loops(check);
	for (size_t i = 0; i < check->inodes.count; i++) {
		const struct inodes_item *item = &check->inodes.items[i];
		const struct inodes_directory *directory = inodes_directory(&check->inodes, item);

		if (directory)
			check_directory(check, item, directory);
		else if (!(item->flags & INODES_IS_DAMAGED))
			check_file(check, item);
	}
}
