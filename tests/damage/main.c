/*
 * damage: changes one row of a store that does not run, behind its back, so that a check has something to find.
 *
 *   damage STORE link-count INO COUNT       the inode counts so many links
 *   damage STORE lost-name DIRECTORY NAME   the directory, an inode number, loses the name
 *
 * The stores that have replicas of the row get the same damage, and so stay equal.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs/schema/rows.h"
#include "proto/codec.h"
#include "store/kv/kv_rocksdb.h"
#include "store/rows/keys.h"

struct damage {
	struct kv_engine *kv;
	struct kv_batch *batch;
};

static struct key key_of(const struct fs_key *inner)
{
	struct key key;

	key_row(&key, 0, KEY_DATA, fs_key_slice(inner));
	return key;
}

/* `inode` borrows from `value`. */
static int get_inode(const struct damage *damage, uint64_t ino, struct kv_value *value, struct inode *inode)
{
	struct fs_key inner = fs_key_inode(ino);
	struct key key = key_of(&inner);
	int status = damage->kv->ops->get(damage->kv, NULL, KV_TIER_ALL, key_slice(&key), value);

	return status < 0 ? status : inode_decode(value->data, ino, inode);
}

static int set_link_count(const struct damage *damage, uint64_t ino, const char *count)
{
	struct fs_key inner = fs_key_inode(ino);
	struct key key = key_of(&inner);
	uint8_t bytes[FS_INODE_ROW_SIZE_MAX];
	struct writer writer = writer_fixed(bytes, sizeof bytes);
	struct kv_value value;
	struct inode inode;
	int status = get_inode(damage, ino, &value, &inode);

	if (status == 0) {
		inode.attributes.nlink = (uint32_t)strtoul(count, NULL, 10);
		inode_encode(&inode, &writer);
		status = writer.status;
	}
	if (status == 0)
		damage->kv->ops->batch_put(damage->batch, key_slice(&key), writer_written(&writer));
	kv_value_close(&value);
	return status;
}

static int lose_name(const struct damage *damage, uint64_t directory, const char *name)
{
	struct slice text = slice_of(name, strlen(name));
	struct kv_value value, entry;
	struct fs_key inner;
	struct inode inode;
	struct key key;
	int status = get_inode(damage, directory, &value, &inode);

	if (status < 0)
		return status;
	inner = fs_key_entry(directory, fs_name_hash(inode.seed, text), text);
	kv_value_close(&value);
	key = key_of(&inner);
	status = damage->kv->ops->get(damage->kv, NULL, KV_TIER_ALL, key_slice(&key), &entry);
	kv_value_close(&entry);
	damage->kv->ops->batch_delete(damage->batch, key_slice(&key));
	return status;
}

static int run(const struct damage *damage, char **arguments)
{
	uint64_t ino = strtoull(arguments[1], NULL, 10);
	int status = -EINVAL;

	if (strcmp(arguments[0], "link-count") == 0)
		status = set_link_count(damage, ino, arguments[2]);
	else if (strcmp(arguments[0], "lost-name") == 0)
		status = lose_name(damage, ino, arguments[2]);
	return status == 0 ? damage->kv->ops->write(damage->kv, damage->batch) : status;
}

int main(int argc, char **argv)
{
	struct kv_rocksdb_options options = {.path = NULL};
	struct damage damage;
	struct status status;
	char path[PATH_MAX];
	int code;

	if (argc != 5) {
		fprintf(stderr, "usage: damage STORE link-count INO COUNT | lost-name DIRECTORY NAME\n");
		return 2;
	}
	snprintf(path, sizeof path, "%s/kv", argv[1]);
	options.path = path;
	if (kv_rocksdb_open(&options, &damage.kv, &status) < 0) {
		fprintf(stderr, "damage: %s\n", status_sentence(&status));
		return 1;
	}
	damage.batch = damage.kv->ops->batch_new(damage.kv);
	code = run(&damage, argv + 2);
	if (code < 0)
		fprintf(stderr, "damage: %s %s: %s\n", argv[2], argv[3], status_name(code));
	damage.kv->ops->batch_free(damage.batch);
	damage.kv->ops->close(damage.kv);
	return code < 0;
}
