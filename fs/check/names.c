/*
 * names.c: compares entries with the inodes that they mean, and the rows beside inodes with their inodes.
 */
#include <inttypes.h>
#include <string.h>

#include "fs/check/check.h"
#include "fs/schema/xattrs.h"

/* The directory whose entries are being read. */
struct names {
	uint64_t ino;
	bool has_seed;
	uint64_t seed[2];
};

/* ---- Entries ---- */

static int enter_directory(struct check *check, struct names *names, uint64_t ino)
{
	struct inode inode;
	int status = check_get_inode(check, ino, &inode);

	*names = (struct names){.ino = ino};
	if (status == 0 && inode_is_directory(&inode)) {
		names->has_seed = true;
		memcpy(names->seed, inode.seed, sizeof names->seed);
	} else if (status == STATUS_NOT_FOUND) {
		report_add(&check->report, "entries-alone", ino,
			"there are entries of this directory, "
			"which does not exist");
	}
	return status == STATUS_NOT_FOUND || status == STATUS_CORRUPT ? 0 : status;
}

static bool is_name(struct slice name)
{
	const char *bytes = name.data;

	if (memchr(bytes, '/', name.size) || memchr(bytes, '\0', name.size))
		return false;
	return !(bytes[0] == '.' && (name.size == 1 || (name.size == 2 && bytes[1] == '.')));
}

/* Counts a directory's subdirectory, and reports one that is the root or has a second name. */
static void count_subdirectory(
	struct check *check, const struct names *names, struct inodes_item *child, const char *quoted)
{
	struct inodes_directory *directory = inodes_directory(&check->inodes, child);
	struct inodes_directory *parent = inodes_find_directory(&check->inodes, names->ino);

	if (parent)
		parent->subdirectories++;
	if (!directory)
		return;
	if (child->ino == FS_ROOT_INO)
		report_add(&check->report, "directory-loop", names->ino,
			"entry '%s' means the root directory", quoted);
	else if (directory->named_in != 0 && !(child->flags & INODES_IS_UNSETTLED))
		report_add(&check->report, "directory-names", child->ino,
			"this directory has a second name, '%s' in inode %" PRIu64, quoted, names->ino);
	directory->named_in = names->ino;
}

/* The inode may be on other stores, or an operation across regions may be about to make it: the entry comes first. Most of
 * them are elsewhere, which costs no search. */
static int check_dangling(
	struct check *check, const struct names *names, const struct entry *entry, const char *quoted)
{
	struct inodes_directory *parent = inodes_find_directory(&check->inodes, names->ino);
	bool is_accounted_for = check_is_elsewhere(check, entry->ino);
	int status = is_accounted_for ? 0 : check_has_intents(check, entry->ino, &is_accounted_for);

	if (status == 0 && !is_accounted_for)
		report_add(&check->report, "entry-dangling", names->ino,
			"entry '%s' means inode %" PRIu64 ", which does not exist", quoted, entry->ino);
	else if (status == 0 && parent && S_ISDIR(entry->type))
		parent->subdirectories++;
	return status;
}

static int count_name(
	struct check *check, const struct names *names, const struct entry *entry, const char *quoted)
{
	struct inodes_item *child = inodes_find(&check->inodes, entry->ino);
	struct inodes_directory *parent = inodes_find_directory(&check->inodes, names->ino);

	if (parent)
		parent->entries_found++;
	if (!child)
		return check_dangling(check, names, entry, quoted);
	child->names++;
	if (!(child->flags & INODES_IS_DAMAGED) && inodes_type(child) != entry->type)
		report_add(&check->report, "entry-type", names->ino,
			"entry '%s' says that inode %" PRIu64 " is of another type than it is", quoted,
			entry->ino);
	if (S_ISDIR(entry->type))
		count_subdirectory(check, names, child, quoted);
	return 0;
}

static int check_entry(
	struct check *check, struct names *names, uint64_t directory, struct slice key, struct slice value)
{
	char quoted[4 * FS_NAME_SIZE_MAX + 8];
	struct entry entry;
	struct slice name;
	uint64_t hash;
	int status = names->ino == directory ? 0 : enter_directory(check, names, directory);

	if (status < 0)
		return status;
	if (fs_key_parse_entry(key, &hash, &name) < 0) {
		report_add(&check->report, "entry-damaged", directory, "the key of an entry is malformed");
		return 0;
	}
	report_quote(name, quoted, sizeof quoted);
	if (!is_name(name))
		report_add(&check->report, "entry-name", directory, "'%s' can be no entry's name", quoted);
	if (names->has_seed && fs_name_hash(names->seed, name) != hash)
		report_add(&check->report, "entry-hash", directory,
			"entry '%s' stands in the wrong place and cannot be found by its name", quoted);
	if (entry_decode(value, &entry) == 0)
		return count_name(check, names, &entry, quoted);
	report_add(&check->report, "entry-damaged", directory, "entry '%s' is damaged", quoted);
	return 0;
}

/* ---- Rows beside inodes ---- */

/* The inode that the row belongs to; NULL: there is none, which is reported. */
static struct inodes_item *owner(
	struct check *check, const struct check_key *parsed, struct slice key, const char *what, bool may_fix)
{
	struct inodes_item *item = inodes_find(&check->inodes, parsed->ino);
	struct problem *problem;

	if (item)
		return item;
	problem = report_add(&check->report, "row-alone", parsed->ino,
		"there is %s of this inode, which does not exist", what);
	if (may_fix)
		report_fix_row(problem, FIX_DELETE_DATA, parsed->ino, key);
	return NULL;
}

/* The inode's state must have the row's flag, because without it operations do not look for the row. */
static void expect_state(struct check *check, const struct inodes_item *item, uint32_t flag, const char *what)
{
	if (!(item->flags & (flag | INODES_IS_DAMAGED)))
		report_add(&check->report, "row-unmarked", item->ino, "its inode does not say that it has %s",
			what);
}

static void check_tiny(
	struct check *check, const struct check_key *parsed, struct slice key, struct slice value)
{
	struct inodes_item *item = owner(check, parsed, key, "the content of a small file", false);
	struct slice bytes;

	if (!item || (item->flags & INODES_IS_DAMAGED))
		return;
	item->flags |= INODES_FOUND_TINY;
	if (key.size != fs_key_tiny(parsed->ino).size || bytes_decode(value, FS_TINY_SIZE_MAX, &bytes) < 0)
		report_add(&check->report, "tiny-damaged", item->ino, "its content is damaged");
	else if (!(item->flags & INODES_IS_TINY))
		report_add(&check->report, "tiny-unmarked", item->ino,
			"it has the content of a small file, but says that its data lies elsewhere");
	else if (bytes.size != item->extra)
		report_add(&check->report, "tiny-size", item->ino,
			"it has %zu bytes of content, but says %" PRIu32, bytes.size, item->extra);
}

static void check_xattr(
	struct check *check, const struct check_key *parsed, struct slice key, struct slice value)
{
	struct inodes_item *item = owner(check, parsed, key, "an extended attribute", false);
	struct slice name, bytes;

	if (!item)
		return;
	expect_state(check, item, INODE_HAS_XATTRS, "large extended attributes");
	if (fs_key_parse_xattr(key, &name) < 0 || xattr_check_name(name) < 0)
		report_add(&check->report, "xattr-damaged", item->ino,
			"the name of an extended attribute is malformed");
	else if (bytes_decode(value, FS_XATTR_SIZE_MAX, &bytes) < 0)
		report_add(&check->report, "xattr-damaged", item->ino,
			"its extended attribute '%.*s' is damaged", (int)name.size, (const char *)name.data);
}

static void check_lock(
	struct check *check, const struct check_key *parsed, struct slice key, struct slice value)
{
	struct inodes_item *item = owner(check, parsed, key, "a lock", true);
	struct lock lock;

	if (!item)
		return;
	item->flags |= INODES_FOUND_LOCK;
	expect_state(check, item, INODE_HAS_LOCKS, "locks");
	if (lock_decode(key, value, &lock) < 0)
		report_add(&check->report, "lock-damaged", item->ino, "a lock on it is damaged");
}

static void check_waiter(
	struct check *check, const struct check_key *parsed, struct slice key, struct slice value)
{
	struct inodes_item *item = owner(check, parsed, key, "a note that somebody waits for a lock", true);
	struct lock_waiter waiter;

	if (!item)
		return;
	item->flags |= INODES_FOUND_LOCK;
	expect_state(check, item, INODE_HAS_LOCKS, "locks");
	if (lock_waiter_decode(key, value, &waiter) < 0)
		report_fix_row(report_add(&check->report, "waiter-damaged", item->ino,
				       "the note that somebody waits for a lock of it is damaged"),
			FIX_DELETE_DATA, item->ino, key);
}

/* A hold must also have an H row, because a session's end finds its holds by those. */
static int check_listed(struct check *check, uint64_t ino, struct slice key)
{
	struct kv_engine *kv = check->inspect->kv;
	struct reader reader = reader_of(key);
	struct kv_value value = {0};
	struct fs_key hold;
	struct key row;
	int status;

	reader_bytes(&reader, key.size - sizeof(uint64_t));
	hold = fs_key_hold(reader_u64be(&reader), ino, FS_HOLD_OPEN);
	key_row(&row, check_region_of(check, key), KEY_LOCAL, fs_key_slice(&hold));
	status = kv->ops->get(kv, NULL, KV_TIER_ALL, key_slice(&row), &value);
	kv_value_close(&value);
	if (status == STATUS_NOT_FOUND)
		report_fix_row(report_add(&check->report, "orphan-unlisted", ino,
				       "a session is said to keep it, but is not listed as doing so"),
			FIX_DELETE_DATA, ino, key);
	return status == STATUS_NOT_FOUND ? 0 : status;
}

static int check_orphan(
	struct check *check, const struct check_key *parsed, struct slice key, struct slice value)
{
	struct inodes_item *item = owner(check, parsed, key, "a note that somebody has it open", true);

	if (!item)
		return 0;
	item->flags |= INODES_FOUND_HOLDER;
	expect_state(check, item, INODE_HAS_HOLDS, "been kept open");
	if (key.size == fs_key_orphan(parsed->ino, 0).size && mark_decode(value) == 0)
		return check_listed(check, parsed->ino, key);
	report_add(
		&check->report, "orphan-damaged", item->ino, "the note that somebody has it open is damaged");
	return 0;
}

#define SPILL_COUNT_MAX 4096 /* of one directory: 2^40 files */

/* Does the directory's chain of spills lead to `dirid`? What is on other stores is taken to. */
static int is_in_chain(struct check *check, uint64_t directory, uint64_t dirid, bool *is_there)
{
	struct inode inode;
	int status = check_get_inode(check, directory, &inode);
	uint64_t at = status == 0 ? inode.creation_dirid : dirid;

	*is_there = check_is_elsewhere(check, directory);
	for (int i = 0; i < SPILL_COUNT_MAX && status == 0 && at != 0 && !*is_there; i++) {
		struct fs_key key = fs_key_spill(at);
		struct kv_value value = {0};
		struct spill spill = {0};

		*is_there = at == dirid || check_is_elsewhere(check, fs_ino(at, FS_SEQ_DIRECTORY));
		status = check_get(check, &key, &value);
		if (status == 0)
			status = spill_decode(value.data, &spill);
		kv_value_close(&value);
		at = spill.before;
	}
	return status == STATUS_NOT_FOUND || status == STATUS_CORRUPT ? 0 : status;
}

static int check_spill(
	struct check *check, const struct check_key *parsed, struct slice key, struct slice value)
{
	struct spill spill;
	bool is_there;
	int status;

	if (key.size != fs_key_spill(parsed->dirid).size || spill_decode(value, &spill) < 0) {
		report_add(&check->report, "spill-damaged", 0,
			"the mark of directory number %" PRIu64 " is damaged", parsed->dirid);
		return 0;
	}
	if (inodes_find(&check->inodes, parsed->ino))
		report_add(&check->report, "spill-shared", parsed->ino,
			"its number is also where files of inode %" PRIu64 " are created", spill.directory);
	status = is_in_chain(check, spill.directory, parsed->dirid, &is_there);
	if (status == 0 && !is_there)
		report_add(&check->report, "spill-alone", spill.directory,
			"number %" PRIu64
			" is marked as where its files are created, but it knows nothing of that",
			parsed->dirid);
	return status;
}

static int visit(struct check *check, void *argument, struct slice key, struct slice value)
{
	struct check_key parsed;

	if (!check_parse_key(key, &parsed))
		return 0; /* census.c has reported it */
	switch (parsed.letter) {
	case 'E':
		return check_entry(check, argument, parsed.ino, key, value);
	case 'F':
		check_tiny(check, &parsed, key, value);
		return 0;
	case 'X':
		check_xattr(check, &parsed, key, value);
		return 0;
	case 'L':
		check_lock(check, &parsed, key, value);
		return 0;
	case 'W':
		check_waiter(check, &parsed, key, value);
		return 0;
	case 'O':
		return check_orphan(check, &parsed, key, value);
	case 'S':
		return check_spill(check, &parsed, key, value);
	default:
		return 0;
	}
}

int check_names(struct check *check)
{
	struct names names = {0};

	return check_walk_data(check, "names", visit, &names);
}
