#include "fs/schema/read.h"

#include <errno.h>
#include <string.h>

#include "proto/plant.h"
#include "proto/status.h"
#include "fs/schema/file_data.h"
#include "fs/schema/xattrs.h"

/* Positions of a listing: "." has 0, ".." has 1, an entry with hash h has h + 2. */
#define POSITION_DOT_DOT 1
#define POSITION_FIRST	 2

static int find_one(void *argument, struct slice key, struct slice value)
{
	(void)argument;
	(void)key;
	(void)value;
	return STATUS_INTENTS;
}

/* An inode that does not exist may be one that an operation across regions makes. */
static int check_intents(struct view *view, uint64_t ino)
{
	struct fs_key low = fs_key_intents(ino), high = fs_key_after(&low);
	int status = view_scan(view, KEY_LOCAL, fs_key_slice(&low), fs_key_slice(&high), find_one, NULL);

	PLANT("fs:birth_unseen", status = 0);
	return status == 0 ? STATUS_NOT_FOUND : status;
}

int read_inode_row(struct view *view, uint64_t ino, struct inode *inode, struct kv_value *row)
{
	struct fs_key key = fs_key_inode(ino);
	int status = view_get(view, KEY_DATA, fs_key_slice(&key), row);

	if (status == STATUS_NOT_FOUND)
		return check_intents(view, ino);
	if (status != 0)
		return status;
	status = inode_decode(row->data, ino, inode);
	if (status == 0 && (inode->state & INODE_HAS_INTENTS) != 0 && !planted("fs:intents_unseen"))
		status = STATUS_INTENTS;
	if (status != 0)
		kv_value_close(row);
	return status;
}

/* As read_inode_row, but only of an inode that is alive. */
static int load(struct view *view, uint64_t ino, struct inode *inode, struct kv_value *row)
{
	int status = read_inode_row(view, ino, inode, row);

	if (status == 0 && (inode->state & INODE_IS_DEAD) != 0) {
		kv_value_close(row);
		status = -ESTALE;
	}
	return status == STATUS_NOT_FOUND ? -ESTALE : status;
}

/* The inode without its slices. */
static int load_briefly(struct view *view, uint64_t ino, struct inode *inode)
{
	struct kv_value row = {0};
	int status = load(view, ino, inode, &row);

	if (status == 0)
		kv_value_close(&row);
	inode->target = inode->xattrs = (struct slice){0};
	return status;
}

static int load_directory(struct view *view, uint64_t ino, struct inode *inode)
{
	int status = load_briefly(view, ino, inode);

	return status == 0 && !inode_is_directory(inode) ? -ENOTDIR : status;
}

static int load_regular(struct view *view, uint64_t ino, struct inode *inode)
{
	int status = load_briefly(view, ino, inode);

	if (status == 0 && inode_is_directory(inode))
		return -EISDIR;
	return status == 0 && !S_ISREG(inode->attributes.mode) ? -EINVAL : status;
}

int read_attributes(struct view *view, uint64_t ino, struct attributes *attributes)
{
	struct inode inode;
	int status = load_briefly(view, ino, &inode);

	if (status == 0)
		*attributes = inode.attributes;
	return status;
}

static bool is_name(struct slice name, const char *other)
{
	return slice_compare(name, slice_of(other, strlen(other))) == 0;
}

static int find_entry(
	struct view *view, const struct inode *directory, struct slice name, struct entry *entry)
{
	struct fs_key key;
	struct kv_value row = {0};
	int status;

	if (name.size > FS_NAME_SIZE_MAX)
		return -ENAMETOOLONG;
	key = fs_key_entry(directory->attributes.ino, fs_name_hash(directory->seed, name), name);
	status = view_get(view, KEY_DATA, fs_key_slice(&key), &row);
	if (status == STATUS_NOT_FOUND)
		return -ENOENT;
	if (status != 0)
		return status;
	status = entry_decode(row.data, entry);
	kv_value_close(&row);
	return status;
}

/* The attributes of what an entry names; of an inode in another region, what the entry says. */
static int read_named(struct view *view, const struct entry *entry, struct attributes *attributes)
{
	*attributes = (struct attributes){.ino = entry->ino, .mode = entry->type};
	return read_attributes(view, entry->ino, attributes);
}

int read_lookup(struct view *view, uint64_t parent, struct slice name, struct attributes *attributes)
{
	struct inode directory;
	struct entry entry;
	int status;

	*attributes = (struct attributes){0};
	if (is_name(name, "."))
		return read_attributes(view, parent, attributes);
	status = load_directory(view, parent, &directory);
	if (status != 0)
		return status == -ESTALE ? -ENOENT : status;
	if (is_name(name, "..")) {
		entry = (struct entry){.ino = directory.parent, .type = S_IFDIR};
		return directory.parent == 0 ? -ENOENT : read_named(view, &entry, attributes);
	}
	status = find_entry(view, &directory, name, &entry);
	if (status == 0)
		status = read_named(view, &entry, attributes);
	return status == -ESTALE ? STATUS_CORRUPT : status;
}

int read_link(struct view *view, uint64_t ino, char *target, size_t size_max, size_t *size,
	struct attributes *attributes)
{
	struct kv_value row = {0};
	struct inode inode;
	int status = load(view, ino, &inode, &row);

	if (status != 0)
		return status;
	if (!S_ISLNK(inode.attributes.mode)) {
		status = -EINVAL;
	} else {
		*size = inode.target.size < size_max ? inode.target.size : size_max;
		memcpy(target, inode.target.data, *size);
		*attributes = inode.attributes;
	}
	kv_value_close(&row);
	return status;
}

/* ---- Directories ---- */

struct read_listing {
	struct view *view;
	bool plus;
	uint64_t cookie_before;
	read_entry_cb each;
	void *argument;
};

static int give(struct read_listing *listing, struct slice name, uint64_t ino, uint32_t type,
	uint64_t position, const struct attributes *attributes)
{
	struct read_entry entry = {
		.name = name,
		.ino = ino,
		.type = type,
		.next_cookie = position + 1,
		.continues = listing->cookie_before == position + 1,
		.attributes = attributes,
	};

	if (planted("fs:cookie_skips"))
		entry.next_cookie++;
	listing->cookie_before = entry.next_cookie;
	return listing->each(listing->argument, &entry);
}

static int give_row(void *argument, struct slice key, struct slice value)
{
	struct read_listing *listing = argument;
	struct attributes attributes;
	bool has_attributes = listing->plus;
	struct slice name;
	struct entry entry;
	uint64_t hash;
	int status = fs_key_parse_entry(key, &hash, &name);

	if (status == 0)
		status = entry_decode(value, &entry);
	if (status == 0 && listing->plus)
		status = read_attributes(listing->view, entry.ino, &attributes);
	if (status == STATUS_KEY_NOT_IN_REGION) {
		has_attributes = false;
		status = 0;
	}
	if (status != 0)
		return status == -ESTALE ? STATUS_CORRUPT : status;
	return give(listing, name, entry.ino, entry.type, hash + POSITION_FIRST,
		has_attributes ? &attributes : NULL);
}

static int give_dots(struct read_listing *listing, const struct inode *directory, uint64_t cookie)
{
	const struct attributes *attributes = &directory->attributes;
	int status = 0;

	if (cookie == 0)
		status = give(listing, slice_of(".", 1), attributes->ino, S_IFDIR, 0,
			listing->plus ? attributes : NULL);
	if (status == 0 && cookie <= POSITION_DOT_DOT)
		status = give(listing, slice_of("..", 2), directory->parent, S_IFDIR, POSITION_DOT_DOT, NULL);
	return status;
}

int read_directory(
	struct view *view, uint64_t ino, uint64_t cookie, bool plus, read_entry_cb each, void *argument)
{
	struct read_listing listing = {.view = view, .plus = plus, .each = each, .argument = argument};
	uint64_t hash = cookie > POSITION_FIRST ? cookie - POSITION_FIRST : 0;
	struct inode directory;
	struct fs_key low, high;
	int status = load_directory(view, ino, &directory);

	if (status != 0 || directory.attributes.nlink == 0)
		return status;
	status = give_dots(&listing, &directory, cookie);
	if (status == 0 && hash < UINT64_C(1) << FS_HASH_BITS) {
		low = fs_key_entries(ino, hash);
		high = fs_key_entries(ino, UINT64_C(1) << FS_HASH_BITS);
		status = view_scan(
			view, KEY_DATA, fs_key_slice(&low), fs_key_slice(&high), give_row, &listing);
	}
	return status > 0 ? 0 : status;
}

/* ---- Data ---- */

int read_data(struct view *view, uint64_t ino, uint64_t offset, void *bytes, size_t size, size_t *count,
	struct attributes *attributes)
{
	struct inode inode;
	int status = load_regular(view, ino, &inode);

	if (status != 0)
		return status;
	if (attributes)
		*attributes = inode.attributes;
	*count = 0;
	if (offset < inode.attributes.size)
		*count = inode.attributes.size - offset < size ? (size_t)(inode.attributes.size - offset)
							       : size;
	return *count > 0 ? file_read(view, &inode, offset, bytes, *count) : 0;
}

int read_seek(struct view *view, uint64_t ino, uint64_t offset, bool data, uint64_t *result)
{
	struct inode inode;
	int status = load_regular(view, ino, &inode);

	if (status == 0 && offset >= inode.attributes.size)
		status = -ENXIO;
	if (status == 0)
		status = file_seek(view, &inode, offset, data, result);
	if (status == 0 && data && *result >= inode.attributes.size)
		status = -ENXIO;
	return status;
}

/* ---- Extended attributes ---- */

static int copy_out(struct slice value, void *bytes, size_t size_max, size_t *size)
{
	*size = value.size;
	if (size_max == 0)
		return 0;
	if (value.size > size_max)
		return -ERANGE;
	if (value.size > 0)
		memcpy(bytes, value.data, value.size);
	return 0;
}

static int read_large_xattr(
	struct view *view, uint64_t ino, struct slice name, void *value, size_t size_max, size_t *size)
{
	struct fs_key key = fs_key_xattr(ino, name);
	struct kv_value row = {0};
	struct slice bytes;
	int status = view_get(view, KEY_DATA, fs_key_slice(&key), &row);

	if (status == STATUS_NOT_FOUND)
		return -ENODATA;
	if (status != 0)
		return status;
	status = bytes_decode(row.data, FS_XATTR_SIZE_MAX, &bytes);
	if (status == 0)
		status = copy_out(bytes, value, size_max, size);
	kv_value_close(&row);
	return status;
}

int read_xattr(struct view *view, uint64_t ino, struct slice name, void *value, size_t size_max, size_t *size)
{
	struct kv_value row = {0};
	struct inode inode;
	struct slice found;
	int status = xattr_check_name(name);

	if (status == 0 && name.size > FS_NAME_SIZE_MAX)
		status = -ERANGE;
	if (status == 0)
		status = load(view, ino, &inode, &row);
	if (status != 0)
		return status;
	if (xattrs_find(inode.xattrs, name, &found))
		status = copy_out(found, value, size_max, size);
	else if ((inode.state & INODE_HAS_XATTRS) != 0)
		status = read_large_xattr(view, ino, name, value, size_max, size);
	else
		status = -ENODATA;
	kv_value_close(&row);
	return status;
}

struct name_list {
	bool has_trusted;
	char *names;
	size_t size_max;
	size_t size;
};

static int add_name(struct name_list *list, struct slice name)
{
	static const char trusted[] = "trusted.";
	size_t size = list->size + name.size + 1;

	if (!list->has_trusted && name.size >= sizeof trusted - 1 &&
		memcmp(name.data, trusted, sizeof trusted - 1) == 0)
		return 0;
	if (list->size_max > 0 && size > list->size_max)
		return -ERANGE;
	if (list->size_max > 0) {
		memcpy(list->names + list->size, name.data, name.size);
		list->names[size - 1] = '\0';
	}
	list->size = size;
	return 0;
}

static int add_large_name(void *argument, struct slice key, struct slice value)
{
	struct slice name;
	int status = fs_key_parse_xattr(key, &name);

	(void)value;
	return status == 0 ? add_name(argument, name) : status;
}

int read_xattrs(struct view *view, uint64_t ino, bool has_trusted, char *names, size_t size_max, size_t *size)
{
	struct name_list list = {.has_trusted = has_trusted, .names = names, .size_max = size_max};
	struct kv_value row = {0};
	struct slice rest, name, value;
	struct inode inode;
	int status = load(view, ino, &inode, &row);

	if (status != 0)
		return status;
	rest = inode.xattrs;
	while (status == 0 && inode_xattr_next(&rest, &name, &value))
		status = add_name(&list, name);
	if (status == 0 && (inode.state & INODE_HAS_XATTRS) != 0) {
		struct fs_key low = fs_key_prefix(ino, 'X'), high = fs_key_after(&low);

		status = view_scan(
			view, KEY_DATA, fs_key_slice(&low), fs_key_slice(&high), add_large_name, &list);
	}
	kv_value_close(&row);
	*size = list.size;
	return status;
}

/* ---- Locks and holders ---- */

struct conflict_search {
	const struct lock *wanted;
	struct lock *blocker;
};

static int check_conflict(void *argument, struct slice key, struct slice value)
{
	struct conflict_search *search = argument;
	struct lock lock;
	int status = lock_decode(key, value, &lock);

	if (status != 0 || !lock_conflicts(search->wanted, &lock))
		return status;
	*search->blocker = lock;
	return 1;
}

int read_lock(struct view *view, uint64_t ino, const struct lock *lock, struct lock *blocker)
{
	struct conflict_search search = {.wanted = lock, .blocker = blocker};
	struct fs_key low = fs_key_locks(ino, (uint8_t)lock->kind), high = fs_key_after(&low);
	struct inode inode;
	int status = load_briefly(view, ino, &inode);

	*blocker = (struct lock){.kind = lock->kind};
	if (status != 0 || (inode.state & INODE_HAS_LOCKS) == 0)
		return status;
	status = view_scan(view, KEY_DATA, fs_key_slice(&low), fs_key_slice(&high), check_conflict, &search);
	return status > 0 ? 0 : status;
}

static int take_session(void *argument, struct slice key, struct slice value)
{
	enum fs_hold_kind kind;
	uint64_t ino;
	int status = fs_key_parse_hold(key, argument, &ino, &kind);

	(void)value;
	return status == 0 ? 1 : status;
}

int read_holder(struct view *view, uint64_t from, uint64_t *session)
{
	struct fs_key low = fs_key_holds(from), all = fs_key_holds_all(), high = fs_key_after(&all);
	int status =
		view_scan(view, KEY_LOCAL, fs_key_slice(&low), fs_key_slice(&high), take_session, session);

	if (status == 0)
		return -ENOENT;
	return status > 0 ? 0 : status;
}
