#include "fs/check/check.h"

#include <errno.h>

#include "proto/codec.h"
#include "proto/units.h"

#define PROGRESS_ROWS 4096

/* ---- Walking ---- */

/* Dirids are drawn at random, so a key's place in the key space says how much of the pass is done. */
static int tell_progress(struct check *check, struct slice key)
{
	struct reader reader = reader_of(key);
	uint64_t dirid;

	if (++check->rows < PROGRESS_ROWS || !check->options.progress)
		return 0;
	check->rows = 0;
	reader_u8(&reader);
	dirid = (uint64_t)reader_u8(&reader) << 32 | reader_u32be(&reader);
	return check->options.progress(
		       check->options.argument, check->pass, (double)dirid / (double)FS_DIRID_END)
		       ? -ECANCELED
		       : 0;
}

int check_walk(
	struct check *check, const struct key *low, const struct key *high, check_row_cb each, void *argument)
{
	struct kv_engine *kv = check->inspect->kv;
	struct kv_iterator *iterator;
	int status = kv->ops->iterator_new(kv, NULL, KV_TIER_ALL, key_slice(low), key_slice(high), &iterator);

	if (status < 0)
		return status;
	status = kv->ops->seek(iterator, key_slice(low));
	while (status == 0) {
		struct slice key, value;

		kv->ops->row(iterator, &key, &value);
		status = each(check, argument, key, value);
		if (status == 0)
			status = tell_progress(check, key);
		if (status == 0)
			status = kv->ops->next(iterator);
	}
	kv->ops->iterator_free(kv, iterator);
	return status == STATUS_NOT_FOUND ? 0 : status;
}

struct data_walk {
	check_row_cb each;
	void *argument;
};

static int strip_key(struct check *check, void *argument, struct slice key, struct slice value)
{
	const struct data_walk *walk = argument;

	return walk->each(check, walk->argument, key_row_inner(KEY_DATA, key), value);
}

int check_walk_data(struct check *check, const char *pass, check_row_cb each, void *argument)
{
	struct data_walk walk = {each, argument};
	struct key low, high;

	check->pass = pass;
	key_row(&low, 0, KEY_DATA, (struct slice){0});
	key_row_bound(&high, 0, KEY_DATA, (struct slice){0});
	return check_walk(check, &low, &high, strip_key, &walk);
}

/* ---- Rows ---- */

int check_get(struct check *check, const struct fs_key *key, struct kv_value *value)
{
	struct kv_engine *kv = check->inspect->kv;
	struct key row;

	key_row(&row, 0, KEY_DATA, fs_key_slice(key));
	return kv->ops->get(kv, NULL, KV_TIER_ALL, key_slice(&row), value);
}

int check_get_inode(struct check *check, uint64_t ino, struct inode *inode)
{
	struct fs_key key = fs_key_inode(ino);
	struct kv_value value = {0};
	int status = check_get(check, &key, &value);

	if (status == 0)
		status = inode_decode(value.data, ino, inode);
	inode->target = inode->xattrs = (struct slice){0};
	kv_value_close(&value);
	return status;
}

const struct inspect_region *check_find_region(const struct check *check, uint64_t id)
{
	for (uint32_t i = 0; i < check->inspect->region_count; i++)
		if (check->inspect->regions[i].region.id == id)
			return &check->inspect->regions[i];
	return NULL;
}

/* The place of the last region that begins at or before the key, or 0. */
static uint32_t find_last_start(const struct check *check, struct slice key)
{
	uint32_t low = 0, high = check->inspect->region_count;

	while (high - low > 1) {
		uint32_t middle = low + (high - low) / 2;

		if (slice_compare(buf_slice(check->inspect->regions[middle].region.start), key) <= 0)
			low = middle;
		else
			high = middle;
	}
	return low;
}

uint64_t check_region_of(const struct check *check, struct slice key)
{
	uint32_t first = check->is_ordered ? find_last_start(check, key) : 0;
	uint32_t past = check->is_ordered ? first + 1 : check->inspect->region_count;

	for (uint32_t i = first; i < past && i < check->inspect->region_count; i++)
		if (region_has_key(&check->inspect->regions[i].region, key))
			return check->inspect->regions[i].region.id;
	return 0;
}

bool check_is_elsewhere(const struct check *check, uint64_t ino)
{
	struct fs_key key = fs_key_inode(ino);

	return !check->is_whole && check_region_of(check, fs_key_slice(&key)) == 0;
}

bool check_parse_key(struct slice key, struct check_key *parsed)
{
	struct reader reader = reader_of(key);
	uint64_t seq = FS_SEQ_DIRECTORY;

	parsed->dirid = (uint64_t)reader_u8(&reader) << 32 | reader_u32be(&reader);
	parsed->letter = (char)reader_u8(&reader);
	if (parsed->letter != 'E' && parsed->letter != 'S')
		seq = reader_u32be(&reader);
	parsed->ino = fs_ino(parsed->dirid, (uint32_t)seq);
	return reader.status == 0 && parsed->dirid < FS_DIRID_END && seq > 0 && seq < FS_SEQ_END;
}

uint64_t check_time(const struct fs_time *time)
{
	return (uint64_t)time->seconds * NS_PER_S + time->nanoseconds;
}

uint64_t check_stamp(struct check *check, const struct problem *problem)
{
	struct inode inode;

	if (problem->ino == 0)
		return check->times;
	if (check_get_inode(check, problem->ino, &inode) < 0)
		return 0;
	return check_time(&inode.attributes.ctime);
}

/* ---- All of it ---- */

static void check_engines(struct check *check)
{
	const struct inspect *inspect = check->inspect;

	if (inspect->log_status.code < 0)
		report_add(&check->report, "log-damaged", 0,
			"%s; what it held and was not yet among the rows is not checked",
			inspect->log_status.text);
	if (inspect->blocks_status.code < 0)
		report_add(&check->report, "blocks-damaged", 0, "%s", inspect->blocks_status.text);
}

int check_run(struct check *check, struct inspect *inspect, const struct check_options *options)
{
	static int (*const passes[])(struct check *) = {check_regions, check_census, check_intents,
		check_names, check_local, check_extents /* last */};
	size_t all = sizeof passes / sizeof *passes;
	size_t count = inspect->applying_count > 0 ? 1 : options->is_live ? all - 1 : all;
	int status = 0;

	*check = (struct check){.inspect = inspect, .options = *options};
	check->counts.replayed = inspect->replayed;
	check->counts.applying = inspect->applying_count;
	check_engines(check);
	for (size_t i = 0; i < count && status == 0; i++)
		status = passes[i](check);
	if (status == 0)
		check_links(check);
	if (status == 0 && check->report.count > 0)
		status = check_paths(check);
	return status == 0 ? check->report.status : status;
}

void check_close(struct check *check)
{
	inodes_close(&check->inodes);
	report_close(&check->report);
}
