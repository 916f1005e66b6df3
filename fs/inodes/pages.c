#include "fs/inodes/pages.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "fs/inodes/ino_table.h"
#include "proto/plant.h"

#define KEPT_DEFAULT 65536u
#define BARE_NS	     UINT64_C(1000000000)
#define OWN_MAX	     16u /* own versions kept above a missing one; further ones count as another mount's */

struct pages_file {
	struct ino_entry entry;
	uint32_t generation; /* 0: not known yet */
	bool is_told; /* `known` is set */
	uint64_t known; /* the pages hold this version, or are being dropped */
	uint64_t seen; /* the newest version in any answer */
	uint64_t own[OWN_MAX]; /* versions made by this mount, above `known`, in any order */
	unsigned own_count;
	unsigned changes; /* of this mount, under way */
	unsigned opens;
	unsigned readers; /* of the opens, those that can read pages */
	bool is_stale; /* there may be pages older than `known`: dropped when a reader opens the file */
	uint64_t ticket; /* of the last drop */
	uint64_t bare_until; /* env_now */
	bool may_have_xattrs; /* stays set: answers in flight when an attribute was set may still say "none" */
};

struct pages {
	struct pages_options options;
	pthread_mutex_t mutex;
	struct ino_table files;
	bool has_forgotten; /* a file that is not in the table may have pages */
};

/* ---- Files; all under the mutex ---- */

static bool pages_file_is_idle(const struct pages_file *file)
{
	return file->opens == 0 && file->changes == 0;
}

static struct pages_file *pages_file_find(struct pages *pages, uint64_t ino)
{
	return (struct pages_file *)ino_table_find(&pages->files, ino); /* the first member */
}

/* Finds or adds the file, and puts it in use. NULL: out of memory. */
static struct pages_file *pages_file_take(struct pages *pages, uint64_t ino)
{
	struct pages_file *file = pages_file_find(pages, ino);

	if (file) {
		ino_table_set_used(&pages->files, &file->entry);
		return file;
	}
	file = calloc(1, sizeof *file);
	if (!file)
		return NULL;
	file->is_stale = pages->has_forgotten;
	ino_table_add(&pages->files, ino, &file->entry);
	return file;
}

/* After pages_file_take: makes the file idle if nobody uses it. */
static void pages_file_put(struct pages *pages, struct pages_file *file)
{
	struct ino_entry *forgotten = NULL;

	if (pages_file_is_idle(file))
		forgotten = ino_table_set_idle(&pages->files, &file->entry, pages->options.kept_max);
	pages->has_forgotten = pages->has_forgotten || forgotten;
	free(forgotten);
}

static void pages_file_drop(struct pages *pages, struct pages_file *file)
{
	if (file->readers == 0) {
		file->is_stale = true;
		return;
	}
	if (planted("fs:old_pages_kept"))
		return;
	file->ticket = drops_add(pages->options.drops, file->entry.ino);
	if (file->ticket == 0) /* no memory: the next open tries again */
		file->is_stale = true;
}

static bool pages_file_is_pending(const struct pages *pages, const struct pages_file *file)
{
	return !drops_is_done(pages->options.drops, file->ticket);
}

/* ---- Versions; all under the mutex ---- */

/* Moves `known` over this mount's versions that follow it. */
static void pages_file_absorb(struct pages_file *file)
{
	for (unsigned i = 0; i < file->own_count;) {
		if (file->own[i] > file->known + 1) {
			i++;
			continue;
		}
		if (file->own[i] == file->known + 1)
			file->known++;
		file->own[i] = file->own[--file->own_count];
		i = 0;
	}
}

static void pages_file_settle(struct pages *pages, struct pages_file *file)
{
	if (!file->is_told)
		return;
	pages_file_absorb(file);
	if (file->changes > 0 || file->seen <= file->known)
		return;
	file->known = file->seen;
	file->own_count = 0;
	pages_file_drop(pages, file);
}

/* Inode numbers may be used again. True: this one was, and the pages of the earlier inode are dropped. */
static bool pages_file_see_generation(struct pages *pages, struct pages_file *file, uint32_t generation)
{
	bool is_another = file->generation != 0 && file->generation != generation;

	file->generation = generation;
	if (!is_another)
		return false;
	file->known = file->seen = 0;
	file->own_count = 0;
	pages_file_drop(pages, file);
	return true;
}

static void pages_file_see(struct pages *pages, struct pages_file *file, const struct attributes *attributes)
{
	if (pages_file_see_generation(pages, file, attributes->generation))
		file->known = attributes->data_version;
	if (attributes->data_version > file->seen)
		file->seen = attributes->data_version;
	pages_file_settle(pages, file);
}

/* ---- Opening and closing ---- */

int pages_open(struct pages *pages, uint64_t ino, bool can_read)
{
	struct pages_file *file;

	pthread_mutex_lock(&pages->mutex);
	file = pages_file_take(pages, ino);
	if (file) {
		file->opens++;
		file->readers += can_read;
	}
	pthread_mutex_unlock(&pages->mutex);
	return file ? 0 : -ENOMEM;
}

void pages_close(struct pages *pages, uint64_t ino, bool can_read)
{
	struct pages_file *file;

	pthread_mutex_lock(&pages->mutex);
	file = pages_file_find(pages, ino);
	file->opens--;
	file->readers -= can_read;
	pages_file_put(pages, file);
	pthread_mutex_unlock(&pages->mutex);
}

uint64_t pages_opened(struct pages *pages, const struct attributes *attributes)
{
	struct pages_file *file;
	uint64_t ticket;

	pthread_mutex_lock(&pages->mutex);
	file = pages_file_find(pages, attributes->ino);
	if (!file->is_told)
		file->known = attributes->data_version;
	file->is_told = true;
	pages_file_see(pages, file, attributes);
	/* Not only for an open that can read: a concurrent one that can may be answered first. */
	if (file->is_stale && file->readers > 0) {
		file->is_stale = false;
		pages_file_drop(pages, file);
	}
	ticket = pages_file_is_pending(pages, file) ? file->ticket : 0;
	pthread_mutex_unlock(&pages->mutex);
	return ticket;
}

bool pages_may_keep(struct pages *pages, const struct attributes *attributes)
{
	struct pages_file *file;
	bool may_keep;

	pthread_mutex_lock(&pages->mutex);
	file = pages_file_find(pages, attributes->ino);
	may_keep = !file->is_stale && !pages_file_is_pending(pages, file) &&
		   attributes->data_version <= file->known;
	pthread_mutex_unlock(&pages->mutex);
	return may_keep;
}

void pages_are_fresh(struct pages *pages, const struct attributes *attributes)
{
	struct pages_file *file;

	pthread_mutex_lock(&pages->mutex);
	file = pages_file_find(pages, attributes->ino);
	file->generation = attributes->generation;
	file->is_stale = false;
	file->is_told = true;
	file->known = attributes->data_version;
	pages_file_settle(pages, file);
	pthread_mutex_unlock(&pages->mutex);
}

/* ---- Changes by this mount ---- */

void pages_begin(struct pages *pages, uint64_t ino)
{
	struct pages_file *file;

	pthread_mutex_lock(&pages->mutex);
	file = pages_file_take(pages, ino);
	if (file)
		file->changes++;
	pthread_mutex_unlock(&pages->mutex);
}

static void pages_file_add_own(struct pages_file *file, uint64_t version)
{
	if (version > file->known && file->own_count < OWN_MAX)
		file->own[file->own_count++] = version;
}

bool pages_end(struct pages *pages, uint64_t ino, const struct attributes *attributes)
{
	struct pages_file *file;
	bool are_ours = false;

	pthread_mutex_lock(&pages->mutex);
	file = pages_file_find(pages, ino);
	if (file && file->changes > 0) { /* else pages_begin had no memory */
		file->changes--;
		if (attributes) {
			pages_file_see_generation(pages, file, attributes->generation);
			pages_file_add_own(file, attributes->data_version);
			if (attributes->data_version > file->seen)
				file->seen = attributes->data_version;
			pages_file_absorb(file);
			are_ours =
				file->opens > 0 && file->is_told && file->known >= attributes->data_version;
		}
		pages_file_settle(pages, file);
		pages_file_put(pages, file);
	}
	pthread_mutex_unlock(&pages->mutex);
	return are_ours;
}

bool pages_are_changing(struct pages *pages, uint64_t ino)
{
	struct pages_file *file;
	bool are_changing;

	pthread_mutex_lock(&pages->mutex);
	file = pages_file_find(pages, ino);
	are_changing = file && file->changes > 0;
	pthread_mutex_unlock(&pages->mutex);
	return are_changing;
}

/* ---- What the kernel is told ---- */

uint64_t pages_see(struct pages *pages, const struct attributes *attributes)
{
	struct pages_file *file;
	uint64_t ticket = 0;

	pthread_mutex_lock(&pages->mutex);
	file = pages_file_find(pages, attributes->ino);
	if (file)
		pages_file_see(pages, file, attributes);
	if (file && pages_file_is_pending(pages, file))
		ticket = file->ticket;
	pthread_mutex_unlock(&pages->mutex);
	return ticket;
}

void pages_note_bare(struct pages *pages, const struct attributes *attributes, uint64_t asked)
{
	struct pages_file *file;

	pthread_mutex_lock(&pages->mutex);
	file = pages_file_find(pages, attributes->ino);
	if (file && attributes->is_bare && !file->may_have_xattrs)
		file->bare_until = asked + BARE_NS;
	else if (file)
		file->bare_until = 0;
	pthread_mutex_unlock(&pages->mutex);
}

void pages_set_xattr(struct pages *pages, uint64_t ino)
{
	struct pages_file *file;

	pthread_mutex_lock(&pages->mutex);
	file = pages_file_take(pages, ino);
	if (file) {
		file->may_have_xattrs = true;
		file->bare_until = 0;
		pages_file_put(pages, file);
	}
	pthread_mutex_unlock(&pages->mutex);
}

bool pages_is_bare(struct pages *pages, uint64_t ino, uint64_t now)
{
	struct pages_file *file;
	bool is_bare;

	pthread_mutex_lock(&pages->mutex);
	file = pages_file_find(pages, ino);
	is_bare = file && now < file->bare_until;
	pthread_mutex_unlock(&pages->mutex);
	return is_bare;
}

uint64_t pages_drop(struct pages *pages, uint64_t ino)
{
	struct pages_file *file;
	uint64_t ticket = 0;

	pthread_mutex_lock(&pages->mutex);
	file = pages_file_find(pages, ino);
	if (file)
		pages_file_drop(pages, file);
	if (file && pages_file_is_pending(pages, file))
		ticket = file->ticket;
	pthread_mutex_unlock(&pages->mutex);
	return ticket;
}

int pages_new(const struct pages_options *options, struct pages **out)
{
	struct pages *pages = calloc(1, sizeof *pages);

	if (!pages)
		return -ENOMEM;
	pages->options = *options;
	if (pages->options.kept_max == 0)
		pages->options.kept_max = KEPT_DEFAULT;
	pthread_mutex_init(&pages->mutex, NULL);
	*out = pages;
	return 0;
}

void pages_free(struct pages *pages)
{
	struct ino_entry *entry;

	if (!pages)
		return;
	while ((entry = ino_table_pop(&pages->files)))
		free(entry);
	pthread_mutex_destroy(&pages->mutex);
	free(pages);
}
