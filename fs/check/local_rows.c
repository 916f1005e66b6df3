/*
 * local.c: the rows of each region in KEY_LOCAL: sessions and their slots, holds by session, files with garbage.
 * Region 1 has the cluster's records, too.
 *
 * Holds and garbage are hints into the data rows of the same region. Garbage of a file that is gone is no problem.
 */
#include <inttypes.h>

#include "fs/check/check.h"
#include "proto/codec.h"
#include "store/rows/slots.h"
#include "fs/schema/cluster_settings.h"
#include "fs/schema/records.h"

static int has_session(struct check *check, uint64_t region, uint64_t session, bool *has)
{
	struct kv_engine *kv = check->inspect->kv;
	struct kv_value value = {0};
	struct key key;
	int status;

	slots_session_key(&key, region, session);
	status = kv->ops->get(kv, NULL, KV_TIER_ALL, key_slice(&key), &value);
	kv_value_close(&value);
	*has = status == 0;
	return status == STATUS_NOT_FOUND ? 0 : status;
}

static int check_slot(struct check *check, uint64_t region, struct slice key, struct slice value)
{
	uint64_t session;
	bool has = true;
	int status = 0;

	if (slots_check(key, value, &session) < 0)
		report_add(&check->report, "session-damaged", 0,
			"region %" PRIu64 " has a damaged row of a session or its slots", region);
	else
		status = has_session(check, region, session, &has);
	if (status == 0 && !has)
		report_add(&check->report, "slot-alone", 0,
			"region %" PRIu64 " has an answer kept for session %" PRIu64
			", which it does not know",
			region, session);
	return status;
}

static int is_held(struct check *check, uint64_t session, uint64_t ino, enum fs_hold_kind kind, bool *held)
{
	const struct inodes_item *item = inodes_find(&check->inodes, ino);
	struct fs_key key = fs_key_orphan(ino, session);
	struct kv_value value = {0};
	int status;

	*held = item && (kind == FS_HOLD_OPEN || (item->flags & INODES_FOUND_LOCK));
	if (!*held || kind == FS_HOLD_LOCK)
		return 0;
	status = check_get(check, &key, &value);
	kv_value_close(&value);
	*held = status == 0;
	return status == STATUS_NOT_FOUND ? 0 : status;
}

/* Does the inode, if there is one, belong to the region? */
static bool has_inode(const struct check *check, uint64_t region, uint64_t ino)
{
	struct fs_key key = fs_key_inode(ino);

	return check_region_of(check, fs_key_slice(&key)) == region;
}

/* A hint that nobody uses, because the inode's region has its own. */
static void add_elsewhere(struct check *check, uint64_t region, uint64_t ino, struct slice key)
{
	struct problem *problem;

	if (!check_find_region(check, region))
		return; /* rows of a replica that has gone */
	problem = report_add(&check->report, "hint-elsewhere", ino,
		"region %" PRIu64 " has a hold or a note of garbage of it, and it is in another region",
		region);
	report_fix_row(problem, FIX_DELETE_LOCAL, ino, key);
	if (problem)
		problem->fix.value = region;
}

/* A lock comes and goes without another trace in its inode: in rows of different moments that is no problem. */
static bool is_judged(const struct check *check, enum fs_hold_kind kind)
{
	return !check->options.is_live || kind == FS_HOLD_OPEN;
}

static int check_hold(struct check *check, uint64_t region, struct slice key, struct slice value)
{
	enum fs_hold_kind kind;
	uint64_t session, ino;
	struct problem *problem;
	bool held;
	int status;

	if (fs_key_parse_hold(key, &session, &ino, &kind) < 0 || mark_decode(value) < 0) {
		report_add(
			&check->report, "hold-damaged", 0, "region %" PRIu64 " has a damaged hold", region);
		return 0;
	}
	if (!has_inode(check, region, ino)) {
		add_elsewhere(check, region, ino, key);
		return 0;
	}
	status = is_held(check, session, ino, kind, &held);
	if (status < 0 || held || !is_judged(check, kind))
		return status;
	problem = report_add(&check->report, "hold-alone", ino,
		"session %" PRIu64 " is said to %s it, and does not", session,
		kind == FS_HOLD_OPEN ? "keep" : "have a lock on");
	report_fix_row(problem, FIX_DELETE_LOCAL, ino, key);
	if (problem)
		problem->fix.value = region;
	return 0;
}

static void check_garbage(struct check *check, uint64_t region, struct slice key, struct slice value)
{
	struct inodes_item *item;
	uint64_t ino;

	if (fs_key_parse_garbage(key, &ino) < 0 || mark_decode(value) < 0) {
		report_add(&check->report, "garbage-damaged", 0,
			"region %" PRIu64 " has a damaged note of garbage", region);
		return;
	}
	if (!has_inode(check, region, ino)) {
		add_elsewhere(check, region, ino, key);
		return;
	}
	item = inodes_find(&check->inodes, ino);
	if (item)
		item->flags |= INODES_FOUND_GARBAGE;
}

/* A live session must be known to its region: otherwise its requests are refused. */
static int check_session(struct check *check, uint64_t region, struct slice key, struct slice value)
{
	struct session_record record;
	uint64_t session;
	bool has = true;
	int status = 0;

	if (fs_key_parse_session(key, &session) < 0 || session_record_decode(value, &record) < 0)
		report_add(&check->report, "record-damaged", 0, "the record of a session is damaged");
	else if (record.state == SESSION_LIVE)
		status = has_session(check, region, session, &has);
	if (status == 0 && !has)
		report_add(&check->report, "session-unknown", 0,
			"session %" PRIu64 " is live, and region %" PRIu64 " does not know it", session,
			region);
	return status;
}

static void check_registration(struct check *check, struct slice key, struct slice value)
{
	struct registration registration;
	uint64_t session;

	if (registration_decode(key, value, &session, &registration) < 0)
		report_add(&check->report, "record-damaged", 0, "a registration of a session is damaged");
}

static void check_store(struct check *check, struct slice key, struct slice value)
{
	struct store_record record;
	uint64_t store;

	if (fs_key_parse_store(key, &store) < 0 || store_record_decode(value, &record) < 0)
		report_add(&check->report, "record-damaged", 0, "the record of a store is damaged");
}

static void check_setting(struct check *check, struct slice key, struct slice value)
{
	enum cluster_setting setting;
	uint64_t number;

	if (cluster_setting_decode(key, value, &setting, &number) == STATUS_CORRUPT)
		report_add(&check->report, "record-damaged", 0, "a setting of the cluster is damaged");
}

/* What the regions' rows say about the number of inodes. The numbers may be damaged, so they may wrap around. */
struct counting {
	uint32_t regions; /* that have a count */
	uint64_t sum;
	uint64_t of_root; /* the count of the region that has the root */
};

static void check_counter(
	struct check *check, struct counting *counting, uint64_t region, struct slice key, struct slice value)
{
	uint8_t kind;
	uint64_t last;

	if (fs_key_parse_counter(key, &kind) < 0 || counter_decode(value, &last) < 0) {
		report_add(&check->report, "record-damaged", 0, "a counter is damaged");
		return;
	}
	if (kind != COUNTER_INODES || !check_find_region(check, region))
		return;
	counting->regions++;
	counting->sum += last;
	if (has_inode(check, region, FS_ROOT_INO))
		counting->of_root = last;
}

/* A count can be judged only together with those of all regions (records.h). The region that has the root is given the
 * difference. */
static void check_inode_count(struct check *check, const struct counting *counting)
{
	uint64_t missing = check->inodes.count - counting->sum;
	struct problem *problem;

	if (!check->is_whole || counting->regions < check->inspect->region_count || missing == 0)
		return;
	problem = report_add(&check->report, "inode-count-wrong", 0,
		"the regions count %" PRId64 " inodes, and there are %zu", (int64_t)counting->sum,
		check->inodes.count);
	report_fix(problem, FIX_INODE_COUNT, FS_ROOT_INO, counting->of_root + missing);
}

/* 1: no row begins with this letter. */
static int check_record(struct check *check, struct counting *counting, uint64_t region, uint8_t letter,
	struct slice key, struct slice value)
{
	if (letter == 'C') {
		check_counter(check, counting, region, key, value);
		return 0;
	}
	if (region != CLUSTER_REGION)
		return 1;
	switch (letter) {
	case 'M':
		return check_session(check, region, key, value);
	case 'R':
		check_registration(check, key, value);
		return 0;
	case 'S':
		check_store(check, key, value);
		return 0;
	case 'P':
		check_setting(check, key, value);
		return 0;
	default:
		return 1;
	}
}

static int visit(struct check *check, void *argument, struct slice key, struct slice value)
{
	struct reader reader = reader_of(key);
	uint64_t region;
	uint8_t letter;
	int status;

	reader_u8(&reader);
	region = reader_u64be(&reader);
	if (reader_has_more(&reader)) {
		key = slice_of(reader.data, reader.size);
		letter = reader_u8(&reader);
		if (letter < SLOTS_KEY_FIRST_FREE)
			return check_slot(check, region, key, value);
		if (letter == 'H')
			return check_hold(check, region, key, value);
		if (letter == 'G') {
			check_garbage(check, region, key, value);
			return 0;
		}
		if (letter == 'T' || letter == 'K')
			return 0; /* intents.c */
		status = check_record(check, argument, region, letter, key, value);
		if (status <= 0)
			return status;
	}
	report_add(
		&check->report, "row-unknown", 0, "region %" PRIu64 " has a row of an unknown kind", region);
	return 0;
}

int check_local(struct check *check)
{
	struct counting counting = {0};
	struct key low, high;
	int status;

	check->pass = "sessions";
	key_row(&low, 0, KEY_LOCAL, (struct slice){0});
	key_row_bound(&high, UINT64_MAX, KEY_LOCAL, (struct slice){0});
	status = check_walk(check, &low, &high, visit, &counting);
	if (status == 0)
		check_inode_count(check, &counting);
	return status;
}
