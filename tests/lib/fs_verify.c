/*
 * fs_verify.c: fs_harness_verify: every row counted against every other.
 */
#include <stdio.h>
#include <stdlib.h>

#include "fs/schema/records.h"
#include "proto/check.h"
#include "proto/hash.h"
#include "tests/lib/fs_harness.h"

/* What the rows say of one inode, and what was found of it. */
struct found {
	uint64_t ino;
	struct inode inode; /* its slices are not kept */
	bool has_inode;
	uint64_t names;
	uint64_t entries;
	uint64_t subdirectories;
	uint64_t in; /* the directory of its last name */
	uint64_t tiny_size;
	uint64_t units;
	uint64_t xattrs;
	uint64_t locks; /* and who wait for one */
	uint64_t orphans;
	uint64_t lock_holds; /* sessions that are said to have locks here */
	uint64_t open_holds;
	UT_hash_handle hh;
};

struct verification {
	struct found *inodes;
	int64_t inode_count; /* as the region counts */
};

static void expect(bool holds, uint64_t ino, const char *what)
{
	if (holds)
		return;
	fprintf(stderr, "inode %llx: %s\n", (unsigned long long)ino, what);
	check(holds);
}

static struct found *find(struct verification *verification, uint64_t ino)
{
	struct found *found;

	HASH_FIND(hh, verification->inodes, &ino, sizeof ino, found);
	if (found)
		return found;
	found = calloc(1, sizeof *found);
	check(found != NULL);
	found->ino = ino;
	HASH_ADD(hh, verification->inodes, ino, sizeof ino, found);
	return found;
}

static uint64_t ino_of(struct slice key)
{
	const uint8_t *bytes = key.data;
	uint64_t seq = 0;

	check(key.size >= 10);
	for (int i = 6; i < 10; i++)
		seq = seq << 8 | bytes[i];
	return fs_ino(fs_key_get_dirid(key), (uint32_t)seq);
}

static void count_entry(struct verification *verification, struct slice key, struct slice value)
{
	uint64_t directory_ino = fs_ino(fs_key_get_dirid(key), FS_SEQ_DIRECTORY);
	struct found *directory = find(verification, directory_ino), *child;
	struct entry entry;
	struct slice name;
	uint64_t hash;

	expect(fs_key_parse_entry(key, &hash, &name) == 0, directory_ino, "an entry's key is malformed");
	expect(entry_decode(value, &entry) == 0, directory_ino, "an entry is malformed");
	child = find(verification, entry.ino);
	child->names++;
	child->in = directory_ino;
	directory->entries++;
	directory->subdirectories += S_ISDIR(entry.type);
}

static int count_row(void *argument, struct slice key, struct slice value)
{
	struct verification *verification = argument;
	char letter = key.size > 5 ? ((const char *)key.data)[5] : 0;
	struct found *found;
	struct lock_waiter waiter;
	struct slice bytes;

	if (letter == 'E') {
		count_entry(verification, key, value);
		return 0;
	}
	if (letter == 'S')
		return 0;
	found = find(verification, ino_of(key));
	switch (letter) {
	case 'I':
		found->has_inode = true;
		expect(inode_decode(value, found->ino, &found->inode) == 0, found->ino,
			"its row is malformed");
		break;
	case 'F':
		expect(bytes_decode(value, FS_TINY_SIZE_MAX, &bytes) == 0, found->ino, "a bad tiny row");
		found->tiny_size = bytes.size;
		break;
	case 'X':
		found->xattrs++;
		break;
	case 'L':
		found->locks++;
		break;
	case 'W':
		expect(lock_waiter_decode(key, value, &waiter) == 0, found->ino, "a bad waiter");
		found->locks++;
		break;
	case 'O':
		found->orphans++;
		break;
	default:
		expect(false, found->ino, "a row of an unknown kind");
	}
	return 0;
}

static int count_local(void *argument, struct slice key, struct slice value)
{
	struct verification *verification = argument;
	struct fs_key inodes = fs_key_counter(COUNTER_INODES);
	enum fs_hold_kind kind;
	uint64_t session, ino;
	struct found *found;

	if (slice_compare(key, fs_key_slice(&inodes)) == 0)
		expect(inode_count_decode(value, &verification->inode_count) == 0, 0, "no number of inodes");
	if (*(const char *)key.data != 'H')
		return 0; /* garbage, sessions, the cluster's records */
	expect(fs_key_parse_hold(key, &session, &ino, &kind) == 0, 0, "a hold's key is malformed");
	found = find(verification, ino);
	*(kind == FS_HOLD_LOCK ? &found->lock_holds : &found->open_holds) += 1;
	return 0;
}

static void count_units(void *argument, struct slice object, uint64_t units)
{
	find(argument, ino_of(object))->units = units;
}

static void verify_directory(struct verification *verification, const struct found *found)
{
	const struct inode *inode = &found->inode;
	const struct attributes *attributes = &inode->attributes;
	struct found *parent;
	uint64_t ino = found->ino;

	expect(inode->entries == found->entries, ino, "the directory's count of entries is wrong");
	if (attributes->nlink == 0) {
		expect(inode->parent == 0 && found->entries == 0, ino, "a removed directory has a place");
		return;
	}
	expect(attributes->nlink == 2 + found->subdirectories, ino, "the directory's link count is wrong");
	for (uint64_t depth = 0; ino != FS_ROOT_INO; depth++) {
		parent = find(verification, ino);
		expect(parent->has_inode && parent->in == parent->inode.parent, ino, "its parent is wrong");
		expect(parent->names == 1, ino, "a directory with other than one name");
		expect(depth < 10000, ino, "a loop of directories");
		ino = parent->inode.parent;
	}
}

static void verify_data(const struct found *found)
{
	const struct inode *inode = &found->inode;
	uint64_t ino = found->ino;

	expect(found->tiny_size == (inode->data == INODE_DATA_TINY ? inode->tiny_size : 0), ino,
		"its tiny row is not as large as it says");
	if (inode->cut == INODE_CUT_NONE)
		expect(found->units == (inode->data == INODE_DATA_UNITS ? inode->units : 0), ino,
			"its count of units is wrong");
	else
		expect(found->units >= inode->units, ino, "it has lost units");
}

static void verify_inode(struct verification *verification, const struct found *found)
{
	const struct inode *inode = &found->inode;
	uint64_t ino = found->ino;

	expect(found->has_inode, ino, "rows without an inode");
	verify_data(found);
	expect(found->xattrs == 0 || (inode->state & INODE_HAS_XATTRS), ino, "unmarked xattrs");
	expect(found->locks == 0 || (inode->state & INODE_HAS_LOCKS), ino, "unmarked locks");
	expect(found->orphans == 0 || (inode->state & INODE_HAS_HOLDS), ino, "unmarked holds");
	expect(found->orphans == found->open_holds, ino, "holds that are not listed");
	expect((found->locks > 0) == (found->lock_holds > 0), ino, "locks that are not listed");
	if (S_ISDIR(inode->attributes.mode))
		verify_directory(verification, found);
	else
		expect(inode->attributes.nlink == found->names, ino, "its link count is wrong");
	if (inode->attributes.nlink == 0 && (inode->state & INODE_IS_DEAD) == 0)
		expect(found->orphans > 0, ino, "nobody has it");
}

void fs_harness_verify(struct fs_harness *harness)
{
	struct verification verification = {0};
	struct found *found, *next;

	memory_view_set_blocking(harness->memory, 0, 0);
	check(view_scan(harness->view, KEY_DATA, (struct slice){0}, (struct slice){0}, count_row,
		      &verification) == 0);
	check(view_scan(harness->view, KEY_LOCAL, (struct slice){0}, (struct slice){0}, count_local,
		      &verification) == 0);
	memory_view_each_object(harness->memory, count_units, &verification);
	HASH_ITER (hh, verification.inodes, found, next)
		verify_inode(&verification, found);
	expect(verification.inode_count == (int64_t)HASH_COUNT(verification.inodes), 0,
		"it counts its inodes wrong");
	HASH_ITER (hh, verification.inodes, found, next) {
		HASH_DEL(verification.inodes, found);
		free(found);
	}
}
