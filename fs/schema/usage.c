#include "fs/schema/usage.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <uthash.h>

#include "fs/schema/read.h"

struct seen {
	UT_hash_handle hh;
	uint64_t ino;
};

struct walk {
	struct view *view;
	struct usage *usage;
	uint64_t *directories; /* still to be read */
	size_t count, capacity;
	struct seen *seen; /* files with several names */
};

static int push(struct walk *walk, uint64_t directory)
{
	if (walk->count == walk->capacity) {
		size_t capacity = walk->capacity ? walk->capacity * 2 : 64;
		uint64_t *directories = realloc(walk->directories, capacity * sizeof *directories);

		if (!directories)
			return -ENOMEM;
		walk->directories = directories;
		walk->capacity = capacity;
	}
	walk->directories[walk->count++] = directory;
	return 0;
}

/* 1: `ino` is new; 0: it was seen before; -ENOMEM. */
static int see(struct walk *walk, uint64_t ino)
{
	struct seen *seen;

	HASH_FIND(hh, walk->seen, &ino, sizeof ino, seen);
	if (seen)
		return 0;
	seen = calloc(1, sizeof *seen);
	if (!seen)
		return -ENOMEM;
	seen->ino = ino;
	HASH_ADD(hh, walk->seen, ino, sizeof seen->ino, seen);
	return 1;
}

static void note_ctime(struct usage *usage, struct fs_time ctime)
{
	if (ctime.seconds > usage->ctime.seconds ||
		(ctime.seconds == usage->ctime.seconds && ctime.nanoseconds > usage->ctime.nanoseconds))
		usage->ctime = ctime;
}

static void count_file(struct usage *usage, const struct attributes *attributes)
{
	usage->files++;
	usage->disk_size += attributes->blocks * FS_BLOCK_SIZE;
	if (S_ISREG(attributes->mode))
		usage->size += attributes->size;
}

static int on_entry(void *argument, const struct read_entry *entry)
{
	struct walk *walk = argument;
	const struct attributes *attributes = entry->attributes;
	int status = 1;

	if (slice_compare(entry->name, slice_of(".", 1)) == 0 ||
		slice_compare(entry->name, slice_of("..", 2)) == 0)
		return 0;
	if (!attributes)
		return STATUS_KEY_NOT_IN_REGION;
	note_ctime(walk->usage, attributes->ctime);
	if (S_ISDIR(attributes->mode)) {
		walk->usage->directories++;
		return push(walk, attributes->ino);
	}
	if (attributes->nlink > 1)
		status = see(walk, attributes->ino);
	if (status == 1)
		count_file(walk->usage, attributes);
	return status < 0 ? status : 0;
}

static void walk_close(struct walk *walk)
{
	struct seen *seen, *next;

	HASH_ITER (hh, walk->seen, seen, next) {
		HASH_DEL(walk->seen, seen);
		free(seen);
	}
	free(walk->directories);
}

int usage_read(struct view *view, uint64_t ino, struct usage *usage)
{
	struct walk walk = {.view = view, .usage = usage};
	struct attributes attributes;
	int status = read_attributes(view, ino, &attributes);

	*usage = (struct usage){0};
	if (status != 0)
		return status;
	note_ctime(usage, attributes.ctime);
	if (S_ISDIR(attributes.mode))
		status = push(&walk, ino);
	else
		count_file(usage, &attributes);
	while (status == 0 && walk.count > 0)
		status = read_directory(view, walk.directories[--walk.count], 0, true, on_entry, &walk);
	walk_close(&walk);
	return status;
}
