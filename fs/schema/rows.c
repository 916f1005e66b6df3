#include "fs/schema/rows.h"

#include <errno.h>
#include <string.h>

#include "proto/check.h"
#include "proto/status.h"
#include "fs/schema/coder.h"

#define ROW_VERSION 1
#define MODE_ALL    (S_IFMT | 07777u)

/* ---- Framing: the version, the fields, nothing behind them ---- */

static int finish(const struct reader *reader)
{
	return reader_finish(reader) == 0 ? 0 : STATUS_CORRUPT;
}

static void code_version(struct coder *coder)
{
	uint8_t version = ROW_VERSION;

	coder_u8(coder, &version);
	coder_check(coder, version == ROW_VERSION);
}

/* ---- Inodes ---- */

static void set_later(struct fs_time *time, const struct fs_time *other)
{
	if (fs_time_is_before(time, other))
		*time = *other;
}

void attributes_set_written(struct attributes *attributes, const struct fs_time *time)
{
	if (fs_time_is_before(&attributes->ctime, &attributes->mtime))
		attributes->mtime = *time;
	set_later(&attributes->mtime, time);
	set_later(&attributes->ctime, time);
}

static bool is_known_type(uint32_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG:
	case S_IFDIR:
	case S_IFLNK:
	case S_IFCHR:
	case S_IFBLK:
	case S_IFIFO:
	case S_IFSOCK:
		return true;
	default:
		return false;
	}
}

static void code_attributes(struct coder *coder, struct attributes *attributes)
{
	coder_u32(coder, &attributes->mode);
	coder_check(coder, is_known_type(attributes->mode) && (attributes->mode & ~MODE_ALL) == 0);
	coder_check(coder, S_ISDIR(attributes->mode) == fs_ino_is_directory(attributes->ino));
	coder_u32(coder, &attributes->uid);
	coder_u32(coder, &attributes->gid);
	coder_u32(coder, &attributes->nlink);
	coder_u32(coder, &attributes->rdev);
	coder_u32(coder, &attributes->flags);
	coder_check(coder, (attributes->flags & ~FS_FLAGS_VISIBLE) == 0);
	coder_u32(coder, &attributes->generation);
	coder_check(coder, attributes->generation != 0);
	coder_u64(coder, &attributes->data_version);
	coder_time(coder, &attributes->atime);
	coder_time(coder, &attributes->mtime);
	coder_time(coder, &attributes->ctime);
	coder_time(coder, &attributes->btime);
}

static uint64_t units_of(uint64_t size)
{
	return size / FS_UNIT_SIZE + (size % FS_UNIT_SIZE > 0);
}

static void code_regular(struct coder *coder, struct inode *inode)
{
	uint8_t data = (uint8_t)inode->data;
	uint64_t size = inode->attributes.size;

	coder_u64(coder, &size);
	coder_check(coder, size <= FS_SIZE_MAX);
	inode->attributes.size = size;
	coder_u64(coder, &inode->data_generation);
	coder_u8(coder, &data);
	coder_check(coder, data <= INODE_DATA_UNITS);
	inode->data = (enum inode_data)data;
	if (data == INODE_DATA_TINY) {
		coder_u32(coder, &inode->tiny_size);
		coder_check(coder, inode->tiny_size <= FS_TINY_SIZE_MAX && inode->tiny_size <= size);
	} else if (data == INODE_DATA_UNITS) {
		uint64_t cut = inode->cut + 1; /* INODE_CUT_NONE is 0 */

		coder_u64(coder, &inode->units);
		coder_check(coder, inode->units <= units_of(size));
		coder_u64(coder, &cut);
		inode->cut = cut - 1;
		coder_check(coder, inode->cut >= units_of(size));
	}
}

static void code_directory(struct coder *coder, struct inode *inode)
{
	coder_u64(coder, &inode->parent);
	coder_check(coder, inode->parent == 0 || fs_ino_is_directory(inode->parent));
	coder_fixed(coder, &inode->seed[0]);
	coder_fixed(coder, &inode->seed[1]);
	coder_u64(coder, &inode->entries);
	coder_u64(coder, &inode->creation_dirid);
	coder_check(coder, inode->creation_dirid < FS_DIRID_END);
	coder_u32(coder, &inode->creation_seq);
	coder_check(coder, inode->creation_seq >= FS_SEQ_FIRST && inode->creation_seq <= FS_SEQ_END);
}

bool inode_xattr_next(struct slice *rest, struct slice *name, struct slice *value)
{
	struct reader reader = reader_of(*rest);

	if (!reader_has_more(&reader))
		return false;
	*name = reader_slice(&reader);
	*value = reader_slice(&reader);
	if (reader.status != 0)
		return false; /* `rest` stays, which are_good_xattrs checks */
	*rest = slice_of(reader.data, reader.size);
	return true;
}

static bool are_good_xattrs(struct slice xattrs)
{
	struct slice before = {0}, name, value;

	while (inode_xattr_next(&xattrs, &name, &value)) {
		if (name.size == 0 || name.size > FS_NAME_SIZE_MAX || memchr(name.data, '\0', name.size))
			return false;
		if (value.size > FS_XATTR_INLINE_SIZE_MAX || slice_compare(before, name) >= 0)
			return false;
		before = name;
	}
	return xattrs.size == 0;
}

static void code_inode(struct coder *coder, struct inode *inode)
{
	code_version(coder);
	code_attributes(coder, &inode->attributes);
	coder_u32(coder, &inode->state);
	coder_check(coder, (inode->state & ~INODE_STATE_ALL) == 0);
	if (S_ISREG(inode->attributes.mode))
		code_regular(coder, inode);
	if (S_ISDIR(inode->attributes.mode))
		code_directory(coder, inode);
	if (S_ISLNK(inode->attributes.mode)) {
		coder_slice(coder, &inode->target, FS_SYMLINK_SIZE_MAX);
		coder_check(coder,
			inode->target.size > 0 && !memchr(inode->target.data, '\0', inode->target.size));
	}
	coder_slice(coder, &inode->xattrs, FS_XATTRS_INLINE_SIZE_MAX);
	coder_check(coder, are_good_xattrs(inode->xattrs));
}

void inode_derive(struct inode *inode)
{
	struct attributes *attributes = &inode->attributes;

	attributes->blocks = 0;
	attributes->is_bare = inode->xattrs.size == 0 && (inode->state & INODE_HAS_XATTRS) == 0;
	switch (attributes->mode & S_IFMT) {
	case S_IFREG:
		if (inode->data == INODE_DATA_TINY)
			attributes->blocks = (inode->tiny_size + FS_BLOCK_SIZE - 1) / FS_BLOCK_SIZE;
		else if (inode->data == INODE_DATA_UNITS)
			attributes->blocks = inode->units * (FS_UNIT_SIZE / FS_BLOCK_SIZE);
		break;
	case S_IFDIR:
		attributes->size = FS_UNIT_SIZE;
		attributes->blocks = FS_UNIT_SIZE / FS_BLOCK_SIZE;
		break;
	case S_IFLNK:
		attributes->size = inode->target.size;
		break;
	default:
		attributes->size = 0;
	}
}

int inode_encode(const struct inode *inode, struct writer *writer)
{
	struct coder coder = {.writer = writer};
	struct inode copy = *inode;

	code_inode(&coder, &copy);
	return coder.is_bad ? STATUS_CORRUPT : writer->status;
}

int inode_decode(struct slice row, uint64_t ino, struct inode *inode)
{
	struct reader reader = reader_of(row);
	struct coder coder = {.reader = &reader};

	*inode = (struct inode){.attributes.ino = ino, .cut = INODE_CUT_NONE};
	code_inode(&coder, inode);
	inode_derive(inode);
	return finish(&reader);
}

/* ---- The smaller rows ---- */

static void code_entry(struct coder *coder, struct entry *entry)
{
	code_version(coder);
	coder_u64(coder, &entry->ino);
	coder_u32(coder, &entry->type);
	coder_check(coder, (entry->type & ~(uint32_t)S_IFMT) == 0 && is_known_type(entry->type));
	coder_check(coder, S_ISDIR(entry->type) == fs_ino_is_directory(entry->ino));
}

void entry_encode(const struct entry *entry, struct writer *writer)
{
	struct coder coder = {.writer = writer};
	struct entry copy = *entry;

	code_entry(&coder, &copy);
	check(!coder.is_bad);
}

int entry_decode(struct slice row, struct entry *entry)
{
	struct reader reader = reader_of(row);
	struct coder coder = {.reader = &reader};

	*entry = (struct entry){0};
	code_entry(&coder, entry);
	return finish(&reader);
}

void bytes_encode(struct slice bytes, struct writer *writer)
{
	writer_u8(writer, ROW_VERSION);
	writer_bytes(writer, bytes.data, bytes.size);
}

int bytes_decode(struct slice row, size_t size_max, struct slice *bytes)
{
	struct reader reader = reader_of(row);

	if (reader_u8(&reader) != ROW_VERSION || reader.size > size_max)
		reader_fail(&reader);
	*bytes = reader_bytes(&reader, reader.size);
	return finish(&reader);
}

static void code_lock(struct coder *coder, struct lock *lock)
{
	uint8_t type = (uint8_t)lock->type;

	code_version(coder);
	coder_u8(coder, &type);
	coder_check(coder, type == FS_LOCK_READ || type == FS_LOCK_WRITE);
	lock->type = (enum lock_type)type;
	coder_u64(coder, &lock->end);
	coder_check(coder, lock->end <= INT64_MAX && lock->start <= lock->end);
	coder_u32(coder, &lock->pid);
}

bool lock_conflicts(const struct lock *wanted, const struct lock *held)
{
	if (lock_is_same_owner(wanted, held) ||
		(wanted->type != FS_LOCK_WRITE && held->type != FS_LOCK_WRITE))
		return false;
	return wanted->start <= held->end && held->start <= wanted->end;
}

void lock_encode(const struct lock *lock, struct writer *writer)
{
	struct coder coder = {.writer = writer};
	struct lock copy = *lock;

	code_lock(&coder, &copy);
	check(!coder.is_bad);
}

int lock_decode(struct slice key, struct slice row, struct lock *lock)
{
	struct reader reader = reader_of(row);
	struct coder coder = {.reader = &reader};
	struct fs_lock_key parsed;
	int status = fs_key_parse_lock(key, &parsed);

	if (status != 0)
		return status;
	*lock = (struct lock){.session = parsed.session, .owner = parsed.owner, .start = parsed.start};
	coder_check(&coder, parsed.kind == LOCK_FLOCK || parsed.kind == LOCK_POSIX);
	lock->kind = (enum lock_kind)parsed.kind;
	code_lock(&coder, lock);
	return finish(&reader);
}

static void code_lock_waiter(struct coder *coder, struct lock_waiter *waiter)
{
	struct lock *lock = &waiter->lock;
	uint8_t kind = (uint8_t)lock->kind, type = (uint8_t)lock->type;

	code_version(coder);
	coder_u8(coder, &kind);
	coder_check(coder, kind == LOCK_FLOCK || kind == LOCK_POSIX);
	lock->kind = (enum lock_kind)kind;
	coder_u8(coder, &type);
	coder_check(coder, type == FS_LOCK_READ || type == FS_LOCK_WRITE);
	lock->type = (enum lock_type)type;
	coder_u64(coder, &lock->session);
	coder_u64(coder, &lock->owner);
	coder_u64(coder, &lock->start);
	coder_u64(coder, &lock->end);
	coder_check(coder, lock->end <= INT64_MAX && lock->start <= lock->end);
	coder_u64(coder, &waiter->asked);
}

void lock_waiter_encode(const struct lock_waiter *waiter, struct writer *writer)
{
	struct coder coder = {.writer = writer};
	struct lock_waiter copy = *waiter;

	code_lock_waiter(&coder, &copy);
	check(!coder.is_bad);
}

int lock_waiter_decode(struct slice key, struct slice row, struct lock_waiter *waiter)
{
	struct reader reader = reader_of(row);
	struct coder coder = {.reader = &reader};
	int status;

	*waiter = (struct lock_waiter){0};
	status = fs_key_parse_waiter(key, &waiter->order);
	if (status != 0)
		return status;
	code_lock_waiter(&coder, waiter);
	return finish(&reader);
}

static void code_spill(struct coder *coder, struct spill *spill)
{
	code_version(coder);
	coder_u64(coder, &spill->directory);
	coder_check(coder, fs_ino_is_directory(spill->directory));
	coder_u64(coder, &spill->before);
	coder_check(coder, spill->before < FS_DIRID_END);
}

void spill_encode(const struct spill *spill, struct writer *writer)
{
	struct coder coder = {.writer = writer};
	struct spill copy = *spill;

	code_spill(&coder, &copy);
	check(!coder.is_bad);
}

int spill_decode(struct slice row, struct spill *spill)
{
	struct reader reader = reader_of(row);
	struct coder coder = {.reader = &reader};

	*spill = (struct spill){0};
	code_spill(&coder, spill);
	return finish(&reader);
}

void mark_encode(struct writer *writer)
{
	writer_u8(writer, ROW_VERSION);
}

int mark_decode(struct slice row)
{
	struct reader reader = reader_of(row);

	if (reader_u8(&reader) != ROW_VERSION)
		reader_fail(&reader);
	return finish(&reader);
}
