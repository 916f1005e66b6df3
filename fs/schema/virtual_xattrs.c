#include "fs/schema/virtual_xattrs.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "fs/schema/keys.h"
#include "fs/schema/read.h"
#include "proto/check.h"

#define PREFIX "raftkv."

struct text {
	char *bytes; /* room for VIRTUAL_XATTR_SIZE_MAX */
	size_t size;
};

__attribute__((format(printf, 2, 3))) static void print(struct text *text, const char *format, ...)
{
	va_list arguments;
	int size;

	va_start(arguments, format);
	size = vsnprintf(text->bytes + text->size, VIRTUAL_XATTR_SIZE_MAX - text->size, format, arguments);
	va_end(arguments);
	check(size >= 0 && (size_t)size < VIRTUAL_XATTR_SIZE_MAX - text->size);
	text->size += (size_t)size;
}

/* ---- What a tree takes ---- */

static void print_rbytes(struct text *text, const struct usage *usage)
{
	print(text, "%" PRIu64, usage->size);
}

static void print_rfiles(struct text *text, const struct usage *usage)
{
	print(text, "%" PRIu64, usage->files);
}

static void print_rsubdirs(struct text *text, const struct usage *usage)
{
	print(text, "%" PRIu64, usage->directories);
}

static void print_rctime(struct text *text, const struct usage *usage)
{
	print(text, "%" PRId64 ".%09" PRIu32, usage->ctime.seconds, usage->ctime.nanoseconds);
}

static void print_usage(struct text *text, const struct usage *usage)
{
	print(text,
		"size_bytes %" PRIu64 "\ndisk_bytes %" PRIu64 "\nfiles %" PRIu64 "\ndirectories %" PRIu64
		"\n",
		usage->size, usage->disk_size, usage->files, usage->directories);
}

static const struct total {
	const char *name;
	void (*print)(struct text *text, const struct usage *usage);
	bool of_directories; /* only directories have it */
} totals[] = {
	{PREFIX "dir.rbytes", print_rbytes, true},
	{PREFIX "dir.rfiles", print_rfiles, true},
	{PREFIX "dir.rsubdirs", print_rsubdirs, true},
	{PREFIX "dir.rctime", print_rctime, true},
	{PREFIX "usage", print_usage, false},
};

static bool is_named(struct slice name, const char *other)
{
	return slice_compare(name, slice_of(other, strlen(other))) == 0;
}

static const struct total *find_total(struct slice name)
{
	for (size_t i = 0; i < sizeof totals / sizeof *totals; i++)
		if (is_named(name, totals[i].name))
			return &totals[i];
	return NULL;
}

bool virtual_xattr_is_usage(struct slice name, uint64_t ino)
{
	const struct total *total = find_total(name);

	return total && (!total->of_directories || fs_ino_is_directory(ino));
}

void virtual_xattr_tell_usage(
	struct slice name, const struct usage *usage, char value[VIRTUAL_XATTR_SIZE_MAX], size_t *size)
{
	struct text text = {.bytes = value};

	find_total(name)->print(&text, usage);
	*size = text.size;
}

/* ---- Where it is ---- */

static int read_region(struct raftkv *raftkv, uint64_t ino, struct text *text)
{
	struct fs_key key = fs_key_inode(ino);
	struct region_epoch epoch;
	uint64_t region;
	int status = raftkv_find_region(raftkv, fs_key_slice(&key), &region, &epoch);

	if (status == 0)
		print(text, "%" PRIu64, region);
	return status;
}

static void print_inode(struct text *text, const struct inode *inode)
{
	const struct attributes *attributes = &inode->attributes;

	print(text, "ino %" PRIu64 "\ndirid %" PRIu64 "\nseq %" PRIu32 "\ngeneration %" PRIu32 "\n",
		attributes->ino, fs_ino_dirid(attributes->ino), fs_ino_seq(attributes->ino),
		attributes->generation);
	print(text,
		"mode %" PRIu32 "\nlinks %" PRIu32 "\nuid %" PRIu32 "\ngid %" PRIu32 "\nsize_bytes %" PRIu64
		"\nstate %" PRIu32 "\n",
		attributes->mode, attributes->nlink, attributes->uid, attributes->gid, attributes->size,
		inode->state);
	if (inode_is_directory(inode))
		print(text, "parent %" PRIu64 "\nentries %" PRIu64 "\nnext_ino %" PRIu64 "\n", inode->parent,
			inode->entries, fs_ino(inode->creation_dirid, inode->creation_seq));
	else
		print(text, "units %" PRIu64 "\n", inode->units);
}

static int read_inode(struct view *view, uint64_t ino, struct text *text)
{
	struct fs_key key = fs_key_inode(ino);
	struct kv_value row = {0};
	struct inode inode;
	int status = view_get(view, KEY_DATA, fs_key_slice(&key), &row);

	if (status == 0)
		status = inode_decode(row.data, ino, &inode);
	if (status == 0)
		print_inode(text, &inode);
	kv_value_close(&row);
	return status == STATUS_NOT_FOUND ? -ESTALE : status;
}

/* ---- All of them ---- */

bool virtual_xattr_is(const char *name)
{
	return strncmp(name, PREFIX, strlen(PREFIX)) == 0;
}

int virtual_xattr_read(struct raftkv *raftkv, struct view *view, uint64_t ino, struct slice name,
	char value[VIRTUAL_XATTR_SIZE_MAX], size_t *size)
{
	struct text text = {.bytes = value};
	struct usage usage;
	int status = -ENODATA;

	if (virtual_xattr_is_usage(name, ino)) {
		status = usage_read(view, ino, &usage);
		if (status == 0)
			virtual_xattr_tell_usage(name, &usage, value, &text.size);
	} else if (is_named(name, PREFIX "inode")) {
		status = read_inode(view, ino, &text);
	} else if (is_named(name, PREFIX "region")) {
		status = read_region(raftkv, ino, &text);
	}
	*size = text.size;
	return status;
}
