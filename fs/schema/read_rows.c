#include "fs/schema/read_rows.h"

#include <errno.h>

#include "fs/schema/read.h"
#include "proto/plant.h"
#include "proto/status.h"

/* `row` NULL: it does not exist. */
static int add(struct writer *facts, const struct fs_key *key, const struct kv_value *row)
{
	struct fact fact = {.key = fs_key_slice(key), .exists = row != NULL};

	if (row)
		fact.row = row->data;
	fact_encode(&fact, facts);
	return facts->status == STATUS_LIMIT ? -E2BIG : facts->status;
}

/* `inode` is without its slices; its number is 0 if it does not exist. */
static int add_inode(struct view *view, uint64_t ino, struct writer *facts, struct inode *inode)
{
	struct fs_key key = fs_key_inode(ino);
	struct kv_value row = {0};
	int status = read_inode_row(view, ino, inode, &row);

	if (status == STATUS_NOT_FOUND) {
		*inode = (struct inode){0};
		return add(facts, &key, NULL);
	}
	if (status == 0)
		status = add(facts, &key, &row);
	kv_value_close(&row);
	inode->target = inode->xattrs = (struct slice){0};
	return status;
}

static int add_named(struct view *view, uint64_t ino, struct writer *facts)
{
	struct inode inode;
	int status = add_inode(view, ino, facts, &inode);

	return status == STATUS_KEY_NOT_IN_REGION ? 0 : status;
}

static int add_entry(
	struct view *view, const struct inode *directory, struct slice name, struct writer *facts)
{
	struct fs_key key =
		fs_key_entry(directory->attributes.ino, fs_name_hash(directory->seed, name), name);
	struct kv_value row = {0};
	struct entry entry;
	int status = view_get(view, KEY_DATA, fs_key_slice(&key), &row);

	if (status == STATUS_NOT_FOUND)
		return planted("fs:absence_untold") ? 0 : add(facts, &key, NULL);
	if (status == 0)
		status = entry_decode(row.data, &entry);
	if (status == 0)
		status = add(facts, &key, &row);
	kv_value_close(&row);
	return status == 0 ? add_named(view, entry.ino, facts) : status;
}

/* The root is its own parent; a removed directory has none. */
static int add_ancestors(struct view *view, struct inode inode, struct writer *facts)
{
	int status = 0;

	for (uint32_t i = 0; i < READ_ANCESTORS_MAX && status == 0; i++) {
		if (inode.parent == 0 || inode.parent == inode.attributes.ino)
			return 0;
		status = add_inode(view, inode.parent, facts, &inode);
	}
	return status == STATUS_KEY_NOT_IN_REGION ? 0 : status;
}

int read_rows(struct view *view, const struct wanted *wanted, struct writer *facts)
{
	struct inode inode;
	int status = add_inode(view, wanted->ino, facts, &inode);

	if (status == 0 && wanted->name.size > 0 && inode.attributes.ino != 0)
		status = add_entry(view, &inode, wanted->name, facts);
	if (status == 0 && wanted->is_upward)
		status = add_ancestors(view, inode, facts);
	return status;
}
