#include "fs/intents/facts_held.h"

#include "fs/schema/intent.h"
#include "proto/plant.h"

static bool is_same_row(const struct fact *one, const struct fact *other)
{
	return one->exists == other->exists && slice_compare(one->row, other->row) == 0;
}

static bool is_inode_of(const struct fact *fact, uint64_t ino)
{
	struct fs_key key = fs_key_inode(ino);

	return slice_compare(fact->key, fs_key_slice(&key)) == 0;
}

/* Is an entry of the directory among the facts? */
static bool has_entry_of(struct slice facts, uint64_t dirid)
{
	uint64_t directory = fs_ino(dirid, FS_SEQ_DIRECTORY), hash;
	struct slice name;
	struct fact fact;

	while (fact_next(&facts, &fact))
		if (fact.exists && fs_key_get_dirid(fact.key) == dirid && !is_inode_of(&fact, directory) &&
			fs_key_parse_entry(fact.key, &hash, &name) == 0)
			return true;
	return false;
}

/* Each change of an entry counts, and changes both numbers by one at most. */
static bool did_hold(const struct inode *before, const struct inode *now)
{
	const struct attributes *one = &before->attributes, *other = &now->attributes;
	uint64_t changes = other->data_version - one->data_version;

	PLANT("transactions:emptied_unnoticed", changes = 0);
	return one->generation == other->generation && one->flags == other->flags &&
	       before->parent == now->parent && one->nlink > 0 && other->nlink > 0 &&
	       one->data_version <= other->data_version && before->entries + now->entries > changes &&
	       one->nlink + changes < FS_DIRECTORY_COUNT_MAX - INTENTS_OF_INODE_MAX;
}

static bool did_directory_hold(struct slice facts, const struct fact *before, const struct fact *now)
{
	uint64_t dirid = fs_key_get_dirid(before->key), directory = fs_ino(dirid, FS_SEQ_DIRECTORY);
	struct inode one, other;

	if (!before->exists || !now->exists || !is_inode_of(before, directory) || has_entry_of(facts, dirid))
		return false;
	return inode_decode(before->row, directory, &one) == 0 &&
	       inode_decode(now->row, directory, &other) == 0 && did_hold(&one, &other);
}

static bool compare_all(struct slice before, struct slice now, bool is_strict)
{
	struct slice rest = before;
	struct fact fact, later;

	while (fact_next(&rest, &fact)) {
		if (!facts_find(now, fact.key, &later))
			return false;
		if (!is_same_row(&fact, &later) && (is_strict || !did_directory_hold(before, &fact, &later)))
			return false;
	}
	return true;
}

bool facts_are_same(struct slice before, struct slice now)
{
	return compare_all(before, now, true);
}

bool facts_held(struct slice before, struct slice now)
{
	return compare_all(before, now, false);
}
