/*
 * intents.c: what operations across regions left that had not ended (intent.h): an inode that an intent concerns, or that
 * an entry names which an intent changes, is marked as unsettled. The rest of such an operation may have happened
 * already. So the names and counts of these inodes are not judged (links.c).
 */
#include <inttypes.h>

#include "fs/check/check.h"
#include "fs/schema/intent.h"
#include "proto/codec.h"
#include "proto/plant.h"

static struct inodes_item *mark(struct check *check, uint64_t ino)
{
	struct inodes_item *item = inodes_find(&check->inodes, ino);

	if (item && !planted("fs:unsettled_is_judged"))
		item->flags |= INODES_IS_UNSETTLED;
	return item;
}

static void mark_named(struct check *check, struct slice row)
{
	struct entry entry;

	if (row.size > 0 && entry_decode(row, &entry) == 0)
		mark(check, entry.ino);
}

static void mark_intent(struct check *check, const struct intent *intent)
{
	struct inodes_item *item = mark(check, intent->ino);
	struct slice name;
	uint64_t hash;

	if (item && !(item->flags & (INODE_HAS_INTENTS | INODES_IS_DAMAGED)))
		report_add(&check->report, "row-unmarked", item->ino,
			"its inode does not say that it has intents");
	if (intent->kind != INTENT_ROW || fs_key_parse_entry(intent->row.key, &hash, &name) < 0)
		return;
	mark_named(check, intent->row.before);
	mark_named(check, intent->row.after);
}

/* Is `ino` in a region that the row is not of? */
static bool is_elsewhere(struct check *check, uint64_t region, uint64_t ino)
{
	struct fs_key key = fs_key_inode(ino);

	return check_find_region(check, region) && check_region_of(check, fs_key_slice(&key)) != region;
}

static void check_intent(struct check *check, uint64_t region, struct slice key, struct slice value)
{
	struct intent_record record;

	if (intent_record_decode(key, value, &record) < 0) {
		report_add(&check->report, "intent-damaged", 0, "region %" PRIu64 " has a damaged intent",
			region);
		return;
	}
	if (is_elsewhere(check, region, record.intent.ino))
		report_add(&check->report, "intent-elsewhere", record.intent.ino,
			"region %" PRIu64 " has an intent of it, and it is in another region", region);
	check->counts.intents++;
	mark_intent(check, &record.intent);
}

static void check_committed(struct check *check, uint64_t region, struct slice key, struct slice value)
{
	struct attempt attempt;
	struct slice places;

	if (committed_record_decode(key, value, &attempt, &places) < 0) {
		report_add(&check->report, "committed-damaged", 0,
			"region %" PRIu64 " has a damaged record of a committed operation", region);
		return;
	}
	if (is_elsewhere(check, region, attempt.anchor))
		report_add(&check->report, "intent-elsewhere", attempt.anchor,
			"region %" PRIu64
			" has the record of an operation that it anchors, and it is in another region",
			region);
	check->counts.committed++;
}

static int visit(struct check *check, void *argument, struct slice key, struct slice value)
{
	struct reader reader = reader_of(key);
	uint64_t region;

	(void)argument;
	reader_u8(&reader);
	region = reader_u64be(&reader);
	if (!reader_has_more(&reader))
		return 0;
	key = slice_of(reader.data, reader.size);
	if (*(const char *)key.data == 'T')
		check_intent(check, region, key, value);
	else if (*(const char *)key.data == 'K')
		check_committed(check, region, key, value);
	return 0;
}

int check_intents(struct check *check)
{
	struct key low, high;

	check->pass = "intents";
	key_row(&low, 0, KEY_LOCAL, (struct slice){0});
	key_row_bound(&high, UINT64_MAX, KEY_LOCAL, (struct slice){0});
	return check_walk(check, &low, &high, visit, NULL);
}

static int find_one(struct check *check, void *argument, struct slice key, struct slice value)
{
	(void)check;
	(void)key;
	(void)value;
	*(bool *)argument = true;
	return 1;
}

int check_has_intents(struct check *check, uint64_t ino, bool *has)
{
	struct fs_key inode = fs_key_inode(ino), first = fs_key_intents(ino), past = fs_key_after(&first);
	uint64_t region = check_region_of(check, fs_key_slice(&inode));
	struct key low, high;
	int status;

	*has = false;
	key_row(&low, region, KEY_LOCAL, fs_key_slice(&first));
	key_row(&high, region, KEY_LOCAL, fs_key_slice(&past));
	status = check_walk(check, &low, &high, find_one, has);
	return status > 0 ? 0 : status;
}
