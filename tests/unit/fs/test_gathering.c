/*
 * fs/check/gathering and suspects: the rows of a filesystem in several regions, which are cut and changed while they are
 * read, are checked as one; what only some readings have, or what a change explains, is no problem.
 */
#include "fs/check/gathering.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs/check/suspects.h"
#include "proto/plant.h"
#include "proto/status.h"
#include "tests/lib/fs_harness.h"
#include "tests/lib/sim_kv.h"
#include "tests/lib/test.h"

#define DIRECTORIES 8u
#define FILES	    5u /* in each */
#define PAGE_SIZE   1700u
#define REGIONS_MAX 4u

struct fixture {
	struct fs_harness fs;
	uint64_t directories[DIRECTORIES], files[DIRECTORIES]; /* ascending; the first file of each */
	struct region regions[REGIONS_MAX];
	uint32_t region_count;
	struct suspects suspects;
	/* Of a reading: */
	uint32_t pages;
	void (*meanwhile)(struct fixture *fixture); /* before each page but the first */
	uint32_t problems; /* of the check */
	uint64_t file_count;
	bool is_torn; /* the regions do not divide the key space */
};

/* ---- The filesystem ---- */

static int compare_inos(const void *a, const void *b)
{
	uint64_t one = *(const uint64_t *)a, other = *(const uint64_t *)b;

	return (one > other) - (one < other);
}

static void make_tree(struct fixture *fixture)
{
	char name[16];

	for (uint32_t i = 0; i < DIRECTORIES; i++) {
		snprintf(name, sizeof name, "d%u", i);
		fixture->directories[i] = (uint64_t)fs_make(&fixture->fs, FS_ROOT_INO, name, S_IFDIR | 0755);
	}
	qsort(fixture->directories, DIRECTORIES, sizeof *fixture->directories, compare_inos);
	for (uint32_t i = 0; i < DIRECTORIES; i++)
		for (uint32_t k = 0; k < FILES; k++) {
			int64_t ino;

			snprintf(name, sizeof name, "f%u", k);
			ino = fs_make(&fixture->fs, fixture->directories[i], name, S_IFREG | 0644);
			if (k == 0)
				fixture->files[i] = (uint64_t)ino;
		}
}

/* Cuts the last region before the directory. The local rows stay in the first one. */
static void cut_before(struct fixture *fixture, uint32_t directory)
{
	struct fs_key key = fs_key_dirid(fs_ino_dirid(fixture->directories[directory]));
	struct region *lower = &fixture->regions[fixture->region_count - 1], *upper = lower + 1;

	*upper = (struct region){.id = 100 + fixture->region_count,
		.epoch = {.version = ++lower->epoch.version},
		.start = buf_copy(key.bytes, key.size)};
	lower->end = buf_ref(upper->start);
	fixture->region_count++;
}

static int set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof *fixture);

	fs_harness_init(&fixture->fs, 11);
	make_tree(fixture);
	fixture->regions[0] = (struct region){.id = 1, .epoch = {.version = 1}};
	fixture->region_count = 1;
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	suspects_close(&fixture->suspects);
	for (uint32_t i = 0; i < fixture->region_count; i++)
		region_close(&fixture->regions[i]);
	fs_harness_close(&fixture->fs);
	free(fixture);
	return 0;
}

/* ---- Damage ---- */

static void put_inode(struct fixture *fixture, uint64_t ino, void (*change)(struct inode *inode))
{
	struct fs_key key = fs_key_inode(ino);
	uint8_t bytes[FS_INODE_ROW_SIZE_MAX];
	struct writer writer = writer_fixed(bytes, sizeof bytes);
	struct kv_value value = {0};
	struct inode inode;

	assert_int_equal(view_get(fixture->fs.view, KEY_DATA, fs_key_slice(&key), &value), 0);
	assert_int_equal(inode_decode(value.data, ino, &inode), 0);
	change(&inode);
	inode_encode(&inode, &writer);
	kv_value_close(&value);
	memory_view_put(fixture->fs.memory, KEY_DATA, fs_key_slice(&key), writer_written(&writer));
}

static void link_once_more(struct inode *inode)
{
	inode->attributes.nlink++;
}

static void touch(struct inode *inode)
{
	inode->attributes.ctime.seconds++;
}

static void lose_inode(struct fixture *fixture, uint64_t ino)
{
	struct fs_key key = fs_key_inode(ino), past = fs_key_after(&key);

	memory_view_delete(fixture->fs.memory, KEY_DATA, fs_key_slice(&key), fs_key_slice(&past));
}

/* ---- Reading ---- */

static const struct region *region_of(const struct fixture *fixture, const struct fs_key *key)
{
	for (uint32_t i = 0; i < fixture->region_count; i++)
		if (key->size == 0 || region_has_key(&fixture->regions[i], fs_key_slice(key)))
			return &fixture->regions[i];
	return NULL;
}

/* The local rows are all the first region's. */
static int answer(struct fixture *fixture, struct gathering *gathering, uint8_t bytes[PAGE_SIZE])
{
	const struct region *region = region_of(fixture, &gathering->key);
	struct writer writer = writer_fixed(bytes, PAGE_SIZE);
	struct slice cursor = buf_slice(gathering->cursor);
	struct row_page page;

	if (region->id != 1 && cursor.size == 0)
		cursor = slice_of("\2", 1);
	assert_int_equal(row_page_write(fixture->fs.view, region, cursor, &writer), 0);
	assert_int_equal(row_page_decode(writer_written(&writer), &page), 0);
	fixture->pages++;
	return gathering_take(gathering, &page);
}

static int gather(struct fixture *fixture, struct gathering *gathering)
{
	uint8_t bytes[PAGE_SIZE];
	double done = 0;
	int status = 0;

	for (fixture->pages = 0; status == 0 && !gathering->is_complete;) {
		if (fixture->pages > 0 && fixture->meanwhile)
			fixture->meanwhile(fixture);
		status = answer(fixture, gathering, bytes);
		assert_true(gathering_done(gathering) >= 0 && gathering_done(gathering) <= 1);
		done = gathering_done(gathering);
	}
	assert_true(status < 0 || done == 1);
	return status;
}

/* Gathers, checks, and adds what was found to the suspects. */
static void read_all(struct fixture *fixture)
{
	const struct check_options options = {.is_live = true};
	struct sim_kv *disk = sim_kv_new(&(struct sim_kv_options){.seed = 1});
	struct kv_engine *kv = sim_kv_open(disk);
	struct gathering gathering;
	struct check check;

	assert_int_equal(gathering_init(&gathering, kv), 0);
	assert_int_equal(gather(fixture, &gathering), 0);
	assert_int_equal(gathering.inspect.region_count, fixture->region_count);
	assert_int_equal(check_run(&check, &gathering.inspect, &options), 0);
	assert_int_equal(check.is_whole, !fixture->is_torn);
	fixture->problems = (uint32_t)check.report.total;
	fixture->file_count = check.counts.files;
	assert_int_equal(suspects_take(&fixture->suspects, &check), 0);
	check_close(&check);
	gathering_close(&gathering);
	kv->ops->close(kv);
	sim_kv_free(disk);
}

static void expect_clean(struct fixture *fixture)
{
	read_all(fixture);
	assert_int_equal(fixture->problems, 0);
	assert_int_equal(fixture->file_count, DIRECTORIES * FILES);
}

static void regions_are_checked_as_one(void **state)
{
	struct fixture *fixture = *state;

	expect_clean(fixture);
	assert_true(fixture->pages > 1);
	cut_before(fixture, 2);
	cut_before(fixture, 5);
	expect_clean(fixture);
}

/* While the region is read, behind the cursor a directory goes to another region, and there one of its files goes. */
static void cut_and_remove(struct fixture *fixture)
{
	if (fixture->region_count > 1)
		return;
	cut_before(fixture, 1);
	assert_int_equal(fs_unlink(&fixture->fs, fixture->directories[1], "f0", false), 0);
	assert_true(is_ino(fs_make(&fixture->fs, fixture->directories[1], "g0", S_IFREG | 0644)));
}

static void cut_late(struct fixture *fixture)
{
	if (fixture->pages == 4)
		cut_and_remove(fixture);
}

static void a_region_that_is_split_is_read_again(void **state)
{
	struct fixture *fixture = *state;

	fixture->meanwhile = cut_late;
	expect_clean(fixture);
	assert_int_equal(fixture->region_count, 2);
	cut_before(fixture, 7);
	expect_clean(fixture);
}

static void split_again(struct fixture *fixture)
{
	fixture->regions[0].epoch.version++;
}

static void not_for_ever(void **state)
{
	struct sim_kv *disk = sim_kv_new(&(struct sim_kv_options){.seed = 1});
	struct kv_engine *kv = sim_kv_open(disk);
	struct fixture *fixture = *state;
	struct gathering gathering;

	fixture->meanwhile = split_again;
	assert_int_equal(gathering_init(&gathering, kv), 0);
	assert_int_equal(gather(fixture, &gathering), -EAGAIN);
	assert_int_equal(fixture->pages, 2 * (GATHERING_RESTARTS_MAX + 1));
	gathering_close(&gathering);
	kv->ops->close(kv);
	sim_kv_free(disk);
}

static void no_page_leads_back(void **state)
{
	static const struct row_page pages[] = {
		{.region = 2, .version = 1, .next = {"\2a", 2}},
		{.region = 2, .version = 1, .next = {"\2a", 2}}, /* again */
		{.region = 2, .version = 1, .next = {"\1z", 2}},
		{.region = 2, .version = 1, .start = {"a", 1}, .end = {"m", 1}},
	};
	struct sim_kv *disk = sim_kv_new(&(struct sim_kv_options){.seed = 1});
	struct kv_engine *kv = sim_kv_open(disk);
	struct gathering gathering;

	(void)state;
	assert_int_equal(gathering_init(&gathering, kv), 0);
	assert_int_equal(gathering_take(&gathering, &pages[0]), 0);
	assert_int_equal(gathering_take(&gathering, &pages[1]), STATUS_MALFORMED);
	assert_int_equal(gathering_take(&gathering, &pages[2]), STATUS_MALFORMED);
	assert_int_equal(gathering_take(&gathering, &pages[3]), 0);
	assert_int_equal(gathering_take(&gathering, &pages[3]), STATUS_MALFORMED); /* asked from "m" on */
	gathering_close(&gathering);
	kv->ops->close(kv);
	sim_kv_free(disk);
}

/* Where the cluster's own ranges do not fit together. */
static void ranges_that_overlap_are_told(void **state)
{
	struct fixture *fixture = *state;
	struct fs_key key = fs_key_dirid(fs_ino_dirid(fixture->directories[2]));

	cut_before(fixture, 3);
	buf_unref(fixture->regions[1].start);
	fixture->regions[1].start = buf_copy(key.bytes, key.size);
	fixture->is_torn = true;
	read_all(fixture);
	assert_int_equal(fixture->suspects.count, 1);
	assert_string_equal(fixture->suspects.items[0].problem.code, "region-overlap");
}

/* ---- Suspects ---- */

static void what_stays_is_told(void **state)
{
	struct fixture *fixture = *state;

	cut_before(fixture, 4);
	put_inode(fixture, fixture->files[6], link_once_more);
	for (int i = 0; i < 3; i++) {
		read_all(fixture);
		assert_int_equal(fixture->suspects.count, 1);
	}
	assert_string_equal(fixture->suspects.items[0].problem.code, "link-count");
	assert_int_equal(fixture->suspects.items[0].problem.ino, fixture->files[6]);
	assert_non_null(fixture->suspects.items[0].problem.path);
}

static void what_is_gone_or_new_is_not(void **state)
{
	struct fixture *fixture = *state;

	put_inode(fixture, fixture->files[6], link_once_more);
	read_all(fixture);
	assert_int_equal(fixture->suspects.count, 1);
	assert_int_equal(fs_unlink(&fixture->fs, fixture->directories[6], "f0", false), 0);
	assert_int_equal(fs_unlink(&fixture->fs, fixture->directories[5], "f0", false), 0);
	lose_inode(fixture, fixture->files[6]);
	put_inode(fixture, fixture->files[4], link_once_more);
	read_all(fixture);
	assert_true(fixture->problems > 0);
	assert_int_equal(fixture->suspects.count, 0);
}

/* It has the same wrong count in each reading, and was changed between them. */
static void what_a_change_explains_is_not(void **state)
{
	struct fixture *fixture = *state;

	put_inode(fixture, fixture->files[3], link_once_more);
	read_all(fixture);
	put_inode(fixture, fixture->files[3], touch);
	read_all(fixture);
	assert_int_equal(fixture->problems, 1);
	assert_int_equal(fixture->suspects.count, 0);
}

/* An inode that does not exist comes by no change of the directory that has its name. */
static void a_name_of_nothing_is_told_wherever_it_is(void **state)
{
	struct fixture *fixture = *state;

	lose_inode(fixture, fixture->files[3]);
	for (int i = 0; i < 3; i++) {
		read_all(fixture);
		put_inode(fixture, fixture->directories[3], touch);
	}
	assert_int_equal(fixture->suspects.count, 1);
	assert_string_equal(fixture->suspects.items[0].problem.code, "entry-dangling");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(regions_are_checked_as_one),
		TEST(a_region_that_is_split_is_read_again),
		TEST(not_for_ever),
		TEST(no_page_leads_back),
		TEST(ranges_that_overlap_are_told),
		TEST(what_stays_is_told),
		TEST(what_is_gone_or_new_is_not),
		TEST(what_a_change_explains_is_not),
		TEST(a_name_of_nothing_is_told_wherever_it_is),
	};

#ifdef RAFTKV_PLANT
	plant_choose(getenv("RAFTKV_PLANTED"));
#endif
	return cmocka_run_group_tests(tests, NULL, NULL);
}
