#include "tests/lib/model_fs.h"

#include <errno.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>

#include "proto/check.h"

/* ---- Nodes ---- */

static struct model_node *new_node(struct model_fs *model, uint32_t mode)
{
	struct model_node *node = calloc(1, sizeof *node);

	check(node != NULL);
	node->mode = mode;
	node->nlink = S_ISDIR(mode) ? 2 : 1;
	node->atime = node->mtime = node->ctime = model->now;
	node->next = model->nodes;
	model->nodes = node;
	return node;
}

static void free_node(struct model_node *node)
{
	while (node->entries) {
		struct model_entry *entry = node->entries;

		node->entries = entry->next;
		free(entry);
	}
	while (node->xattrs) {
		struct model_xattr *xattr = node->xattrs;

		node->xattrs = xattr->next;
		free(xattr);
	}
	free(node->data);
	free(node);
}

/* Gone for good once it has no name and nobody holds it. */
static void reap(struct model_fs *model, struct model_node *node)
{
	struct model_node **link = &model->nodes;

	if (node->nlink > 0 || node->is_held)
		return;
	while (*link != node)
		link = &(*link)->next;
	*link = node->next;
	free_node(node);
}

void model_init(struct model_fs *model, uint64_t now)
{
	*model = (struct model_fs){.now = now};
	model->root = new_node(model, S_IFDIR | 0755);
	model->root->parent = model->root;
}

void model_close(struct model_fs *model)
{
	while (model->nodes) {
		struct model_node *node = model->nodes;

		model->nodes = node->next;
		free_node(node);
	}
}

/* ---- Directories ---- */

static struct model_entry **find_link(struct model_node *directory, const char *name)
{
	struct model_entry **link = &directory->entries;

	while (*link && strcmp((*link)->name, name) != 0)
		link = &(*link)->next;
	return link;
}

struct model_node *model_find(const struct model_node *directory, const char *name)
{
	const struct model_entry *entry = directory->entries;

	while (entry && strcmp(entry->name, name) != 0)
		entry = entry->next;
	return entry ? entry->node : NULL;
}

size_t model_count_entries(const struct model_node *directory)
{
	size_t count = 0;

	for (const struct model_entry *entry = directory->entries; entry; entry = entry->next)
		count++;
	return count;
}

static void change_directory(struct model_fs *model, struct model_node *directory)
{
	directory->mtime = directory->ctime = model->now;
}

static void add_entry(
	struct model_fs *model, struct model_node *directory, const char *name, struct model_node *node)
{
	struct model_entry *entry = calloc(1, sizeof *entry);

	check(entry != NULL && strlen(name) < MODEL_NAME_SIZE);
	strcpy(entry->name, name);
	entry->node = node;
	entry->next = directory->entries;
	directory->entries = entry;
	change_directory(model, directory);
	if (S_ISDIR(node->mode)) {
		directory->nlink++;
		node->parent = directory;
	}
}

static void remove_entry(struct model_fs *model, struct model_node *directory, const char *name)
{
	struct model_entry **link = find_link(directory, name);
	struct model_entry *entry = *link;

	if (S_ISDIR(entry->node->mode))
		directory->nlink--;
	*link = entry->next;
	free(entry);
	change_directory(model, directory);
}

static int check_directory(const struct model_node *directory)
{
	if (!S_ISDIR(directory->mode))
		return -ENOTDIR;
	return directory->parent ? 0 : -ESTALE;
}

/* A node of a directory with S_ISGID has its group, and passes the bit on if it is one itself. */
static struct model_node *new_child(struct model_fs *model, const struct model_node *parent, uint32_t mode)
{
	struct model_node *node = new_node(model, mode);

	if ((parent->mode & S_ISGID) != 0) {
		node->gid = parent->gid;
		node->mode |= S_ISDIR(mode) ? S_ISGID : 0;
	}
	return node;
}

int model_make(struct model_fs *model, struct model_node *parent, const char *name, uint32_t mode,
	const char *target, struct model_node **node)
{
	int status = check_directory(parent);

	if (status != 0)
		return status;
	if (model_find(parent, name))
		return -EEXIST;
	*node = new_child(model, parent, mode);
	if (target) {
		strcpy((*node)->target, target);
		(*node)->size = strlen(target);
	}
	add_entry(model, parent, name, *node);
	return 0;
}

int model_tmpfile(
	struct model_fs *model, const struct model_node *parent, uint32_t mode, struct model_node **node)
{
	*node = new_child(model, parent, S_IFREG | mode);
	(*node)->nlink = 0;
	(*node)->is_held = true;
	return 0;
}

int model_link(struct model_fs *model, struct model_node *node, struct model_node *parent, const char *name)
{
	int status = check_directory(parent);

	if (status != 0)
		return status;
	if (model_find(parent, name))
		return -EEXIST;
	if (S_ISDIR(node->mode))
		return -EPERM;
	node->nlink++;
	node->ctime = model->now;
	add_entry(model, parent, name, node);
	return 0;
}

int model_unlink(struct model_fs *model, struct model_node *parent, const char *name)
{
	int status = check_directory(parent);
	struct model_node *node;

	if (status != 0)
		return status;
	node = model_find(parent, name);
	if (!node)
		return -ENOENT;
	if (S_ISDIR(node->mode))
		return -EISDIR;
	remove_entry(model, parent, name);
	node->nlink--;
	node->ctime = model->now;
	reap(model, node);
	return 0;
}

static void drop_directory(struct model_fs *model, struct model_node *node)
{
	node->nlink = 0;
	node->parent = NULL;
	node->ctime = model->now;
	reap(model, node);
}

int model_rmdir(struct model_fs *model, struct model_node *parent, const char *name)
{
	int status = check_directory(parent);
	struct model_node *node;

	if (status != 0)
		return status;
	node = model_find(parent, name);
	if (!node)
		return -ENOENT;
	if (!S_ISDIR(node->mode))
		return -ENOTDIR;
	if (node->entries)
		return -ENOTEMPTY;
	remove_entry(model, parent, name);
	drop_directory(model, node);
	return 0;
}

static bool is_below(
	const struct model_fs *model, const struct model_node *node, const struct model_node *ancestor)
{
	for (; node != model->root; node = node->parent) {
		if (node == ancestor)
			return true;
	}
	return ancestor == model->root;
}

static int check_rename(const struct model_fs *model, const struct model_node *source,
	const struct model_node *target, const struct model_node *parent, const struct model_node *new_parent,
	uint32_t flags)
{
	bool is_exchange = (flags & RENAME_EXCHANGE) != 0;

	if (!source || (is_exchange && !target))
		return -ENOENT;
	if (target && (flags & RENAME_NOREPLACE) != 0)
		return -EEXIST;
	if (parent != new_parent && S_ISDIR(source->mode) && is_below(model, new_parent, source))
		return -EINVAL;
	if (is_exchange && parent != new_parent && S_ISDIR(target->mode) && is_below(model, parent, target))
		return -EINVAL;
	if (!target || is_exchange || source == target)
		return 0;
	if (S_ISDIR(source->mode) && !S_ISDIR(target->mode))
		return -ENOTDIR;
	if (!S_ISDIR(source->mode) && S_ISDIR(target->mode))
		return -EISDIR;
	return target->entries ? -ENOTEMPTY : 0;
}

static void drop_target(
	struct model_fs *model, struct model_node *parent, const char *name, struct model_node *target)
{
	remove_entry(model, parent, name);
	if (S_ISDIR(target->mode)) {
		drop_directory(model, target);
		return;
	}
	target->nlink--;
	target->ctime = model->now;
	reap(model, target);
}

int model_rename(struct model_fs *model, struct model_node *parent, const char *name,
	struct model_node *new_parent, const char *new_name, uint32_t flags)
{
	struct model_node *source, *target, *whiteout;
	int status = check_directory(parent);

	if (status == 0)
		status = check_directory(new_parent);
	if (status != 0)
		return status;
	source = model_find(parent, name);
	target = model_find(new_parent, new_name);
	status = check_rename(model, source, target, parent, new_parent, flags);
	if (status != 0 || source == target)
		return status;
	if ((flags & RENAME_EXCHANGE) != 0) {
		remove_entry(model, new_parent, new_name);
		add_entry(model, parent, ".exchange", target);
		target->ctime = model->now;
	} else if (target) {
		drop_target(model, new_parent, new_name, target);
	}
	remove_entry(model, parent, name);
	add_entry(model, new_parent, new_name, source);
	source->ctime = model->now;
	if ((flags & RENAME_EXCHANGE) != 0)
		strcpy((*find_link(parent, ".exchange"))->name, name);
	if ((flags & RENAME_WHITEOUT) != 0) {
		whiteout = new_child(model, parent, S_IFCHR);
		add_entry(model, parent, name, whiteout);
	}
	return 0;
}

void model_release(struct model_fs *model, struct model_node *node)
{
	node->is_held = false;
	reap(model, node);
}

/* ---- Data ---- */

static int check_file(const struct model_node *node)
{
	if (S_ISDIR(node->mode))
		return -EISDIR;
	return S_ISREG(node->mode) ? 0 : -EINVAL;
}

static void change_content(struct model_fs *model, struct model_node *node)
{
	node->mtime = node->ctime = model->now;
}

static void reserve(struct model_node *node, size_t size)
{
	if (size <= node->data_size)
		return;
	node->data = realloc(node->data, size);
	check(node->data != NULL);
	memset(node->data + node->data_size, 0, size - node->data_size);
	node->data_size = size;
}

int model_write(
	struct model_fs *model, struct model_node *node, uint64_t offset, const void *bytes, size_t size)
{
	int status = check_file(node);

	if (status != 0)
		return status;
	reserve(node, offset + size);
	memcpy(node->data + offset, bytes, size);
	if (offset + size > node->size)
		node->size = offset + size;
	change_content(model, node);
	return 0;
}

int model_truncate(struct model_fs *model, struct model_node *node, uint64_t size)
{
	int status = check_file(node);

	if (status != 0)
		return status;
	if (size < node->data_size)
		memset(node->data + size, 0, node->data_size - size);
	node->size = size;
	change_content(model, node);
	return 0;
}

int model_fallocate(
	struct model_fs *model, struct model_node *node, uint32_t mode, uint64_t offset, uint64_t length)
{
	int status = check_file(node);
	uint64_t end = offset + length;

	if (status != 0)
		return status;
	if ((mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE)) != 0 && offset < node->data_size)
		memset(node->data + offset, 0, (end < node->data_size ? end : node->data_size) - offset);
	if ((mode & FALLOC_FL_KEEP_SIZE) == 0 && end > node->size)
		node->size = end;
	change_content(model, node);
	return 0;
}

void model_read(const struct model_node *node, uint64_t offset, void *bytes, size_t size)
{
	size_t have = offset < node->data_size ? node->data_size - offset : 0;

	have = have < size ? have : size;
	if (have > 0)
		memcpy(bytes, node->data + offset, have);
	memset((uint8_t *)bytes + have, 0, size - have);
}

int model_copy(struct model_fs *model, struct model_node *source, uint64_t source_offset,
	struct model_node *node, uint64_t offset, size_t length)
{
	int status = check_file(node);
	uint8_t *bytes;

	if (status == 0)
		status = check_file(source);
	if (status != 0)
		return status;
	if (source_offset >= source->size)
		return 0;
	if (length > source->size - source_offset)
		length = source->size - source_offset;
	if (source == node && source_offset < offset + length && offset < source_offset + length)
		return -EINVAL;
	bytes = malloc(length);
	check(bytes != NULL);
	model_read(source, source_offset, bytes, length);
	status = model_write(model, node, offset, bytes, length);
	free(bytes);
	return status;
}

/* ---- Attributes ---- */

int model_chmod(struct model_fs *model, struct model_node *node, uint32_t mode)
{
	if (S_ISLNK(node->mode))
		return -EOPNOTSUPP;
	node->mode = (node->mode & S_IFMT) | mode;
	node->ctime = model->now;
	return 0;
}

int model_chown(struct model_fs *model, struct model_node *node, uint32_t uid, uint32_t gid)
{
	node->uid = uid;
	node->gid = gid;
	if (!S_ISDIR(node->mode)) {
		node->mode &= ~(uint32_t)S_ISUID;
		if ((node->mode & S_IXGRP) != 0)
			node->mode &= ~(uint32_t)S_ISGID;
	}
	node->ctime = model->now;
	return 0;
}

int model_utimes(struct model_fs *model, struct model_node *node, uint64_t atime, uint64_t mtime)
{
	node->atime = atime;
	node->mtime = mtime;
	node->ctime = model->now;
	return 0;
}

/* ---- Extended attributes ---- */

const struct model_xattr *model_find_xattr(const struct model_node *node, const char *name)
{
	const struct model_xattr *xattr = node->xattrs;

	while (xattr && strcmp(xattr->name, name) != 0)
		xattr = xattr->next;
	return xattr;
}

static bool drop_xattr(struct model_node *node, const char *name)
{
	struct model_xattr **link = &node->xattrs, *xattr;

	while (*link && strcmp((*link)->name, name) != 0)
		link = &(*link)->next;
	xattr = *link;
	if (!xattr)
		return false;
	*link = xattr->next;
	free(xattr);
	return true;
}

int model_setxattr(struct model_fs *model, struct model_node *node, const char *name, const void *value,
	size_t size, uint32_t flags)
{
	bool exists = model_find_xattr(node, name) != NULL;
	struct model_xattr *xattr;

	if (exists && (flags & MODEL_CREATE) != 0)
		return -EEXIST;
	if (!exists && (flags & MODEL_REPLACE) != 0)
		return -ENODATA;
	drop_xattr(node, name);
	xattr = calloc(1, sizeof *xattr + size);
	check(xattr != NULL && strlen(name) < MODEL_NAME_SIZE);
	strcpy(xattr->name, name);
	xattr->size = size;
	memcpy(xattr->value, value, size);
	xattr->next = node->xattrs;
	node->xattrs = xattr;
	node->ctime = model->now;
	return 0;
}

int model_removexattr(struct model_fs *model, struct model_node *node, const char *name)
{
	if (!drop_xattr(node, name))
		return -ENODATA;
	node->ctime = model->now;
	return 0;
}
