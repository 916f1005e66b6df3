/*
 * census.c: enters every inode in the table, and checks where files are created: the inode numbers that later files
 * will get must not be in use.
 */
#include <inttypes.h>
#include <string.h>

#include "fs/check/check.h"

/* Where the next file of the current dirid will be created. */
struct census {
	uint64_t dirid;
	bool is_known; /* a directory creates its files there */
	uint32_t creation_seq;
};

/* Finds the directory that creates its files in `dirid`, which is its own or a spill. */
static int find_creations(struct check *check, struct census *census, uint64_t dirid)
{
	struct fs_key key = fs_key_spill(dirid);
	uint64_t directory = fs_ino(dirid, FS_SEQ_DIRECTORY);
	struct kv_value value = {0};
	struct spill spill;
	struct inode inode;
	int status = check_get(check, &key, &value);

	if (status == 0 && spill_decode(value.data, &spill) == 0)
		directory = spill.directory;
	kv_value_close(&value);
	if (status < 0 && status != STATUS_NOT_FOUND)
		return status;
	status = check_get_inode(check, directory, &inode);
	*census = (struct census){.dirid = dirid};
	if (status == 0 && inode.creation_dirid == dirid) {
		census->is_known = true;
		census->creation_seq = inode.creation_seq;
	}
	return status == STATUS_NOT_FOUND || status == STATUS_CORRUPT ? 0 : status;
}

/* A dirid in which a directory creates its files, but not its own, must have a spill row of that directory. */
static int check_creations(struct check *check, const struct inode *inode)
{
	uint64_t ino = inode->attributes.ino;
	struct fs_key key = fs_key_spill(inode->creation_dirid);
	struct kv_value value = {0};
	struct spill spill;
	int status;

	if (inode->attributes.nlink == 0 || inode->creation_dirid == fs_ino_dirid(ino) ||
		check_is_elsewhere(check, fs_ino(inode->creation_dirid, FS_SEQ_DIRECTORY)))
		return 0;
	status = check_get(check, &key, &value);
	if (status == STATUS_NOT_FOUND ||
		(status == 0 && (spill_decode(value.data, &spill) < 0 || spill.directory != ino))) {
		report_add(&check->report, "creation-unmarked", ino,
			"its files are created under number %" PRIu64 ", which is not marked as its own",
			inode->creation_dirid);
		status = 0;
	}
	kv_value_close(&value);
	return status;
}

static int count_inode(struct check *check, const struct inode *inode)
{
	const struct attributes *attributes = &inode->attributes;

	check->times += check_time(&attributes->ctime);
	if (!inode_is_directory(inode)) {
		check->counts.files++;
		return 0;
	}
	check->counts.directories++;
	if (attributes->ino == FS_ROOT_INO && inode->parent != FS_ROOT_INO)
		report_fix(report_add(&check->report, "parent-wrong", attributes->ino,
				   "its parent is not itself"),
			FIX_PARENT, FS_ROOT_INO, FS_ROOT_INO);
	return check_creations(check, inode);
}

static int enter(struct check *check, struct census *census, uint64_t ino, struct slice value)
{
	struct inode inode;
	uint64_t dirid = fs_ino_dirid(ino);
	int status;

	if (inode_decode(value, ino, &inode) < 0) {
		report_add(&check->report, "inode-damaged", ino, "its inode is damaged");
		return inodes_add(&check->inodes, ino, NULL);
	}
	status = inodes_add(&check->inodes, ino, &inode);
	if (status == 0)
		status = count_inode(check, &inode);
	if (status == 0 && census->dirid != dirid)
		status = find_creations(check, census, dirid);
	if (status == 0 && census->is_known && fs_ino_seq(ino) >= census->creation_seq &&
		!fs_ino_is_directory(ino))
		report_add(&check->report, "creation-used", ino,
			"the next file created in its directory would get its inode number");
	return status;
}

static int visit(struct check *check, void *argument, struct slice key, struct slice value)
{
	struct check_key parsed;

	if (!check_parse_key(key, &parsed) || !strchr("IEFDXLOSW", parsed.letter)) {
		report_add(&check->report, "row-unknown", 0, "there is a row of an unknown kind (%zu bytes)",
			key.size);
		return 0;
	}
	if (check_region_of(check, key) == 0)
		report_add(&check->report, "row-homeless", parsed.ino, "it has a row that no region has");
	if (parsed.letter != 'I')
		return 0;
	if (key.size != fs_key_inode(parsed.ino).size) {
		report_add(&check->report, "row-unknown", parsed.ino, "the key of its inode is malformed");
		return 0;
	}
	return enter(check, argument, parsed.ino, value);
}

int check_census(struct check *check)
{
	struct census census = {.dirid = FS_DIRID_END};
	int status = check_walk_data(check, "inodes", visit, &census);
	struct inodes_item *root = inodes_find(&check->inodes, FS_ROOT_INO);

	if (status == 0 && !root && !check_is_elsewhere(check, FS_ROOT_INO))
		report_add(&check->report, "root-missing", 0, "the filesystem has no root directory");
	return status;
}
