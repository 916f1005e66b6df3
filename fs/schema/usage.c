#include "fs/schema/usage.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "fs/schema/read.h"
#include "proto/plant.h"
#include "proto/status.h"

#define CAPACITY_MIN 64u

/* The limits of a run of usage_read. */
#define WHOLE_ENTRIES_MAX (1u << 16)
#define WHOLE_NEWS_MAX	  (1u << 12)

/* ---- Sums ---- */

static bool is_before(struct fs_time a, struct fs_time b)
{
	return a.seconds < b.seconds || (a.seconds == b.seconds && a.nanoseconds < b.nanoseconds);
}

static void note_ctime(struct usage *usage, struct fs_time ctime)
{
	if (is_before(usage->ctime, ctime))
		usage->ctime = ctime;
}

static void count_file(struct usage *usage, uint64_t size, uint64_t disk_size)
{
	usage->files++;
	usage->size += size;
	usage->disk_size += disk_size;
}

/* ---- Places and links ---- */

/* Makes room for one more of `size` bytes each. 0 or -ENOMEM. */
static int make_room(void **all, size_t size, uint32_t count, uint32_t *capacity)
{
	uint32_t wanted = *capacity > 0 ? *capacity * 2 : CAPACITY_MIN;
	void *more;

	if (count < *capacity)
		return 0;
	more = realloc(*all, wanted * size);
	if (!more)
		return -ENOMEM;
	*all = more;
	*capacity = wanted;
	return 0;
}

static int add_place(struct usage_places *places, const struct usage_place *place)
{
	void *all = places->all;
	int status = -ENOMEM;

	if (places->count < USAGE_PLACES_MAX)
		status = make_room(&all, sizeof *place, places->count, &places->capacity);
	places->all = all;
	if (status == 0)
		places->all[places->count++] = *place;
	return status;
}

int usage_walk_add_place(struct usage_walk *walk, const struct usage_place *place)
{
	return add_place(&walk->places, place);
}

int usage_walk_add_link(struct usage_walk *walk, const struct usage_link *link)
{
	void *links = walk->links;
	int status = make_room(&links, sizeof *link, walk->link_count, &walk->link_capacity);

	walk->links = links;
	if (status == 0)
		walk->links[walk->link_count++] = *link;
	return status;
}

void usage_walk_clear(struct usage_walk *walk)
{
	walk->usage = (struct usage){0};
	walk->places.count = walk->elsewhere.count = walk->link_count = 0;
}

void usage_walk_close(struct usage_walk *walk)
{
	free(walk->places.all);
	free(walk->elsewhere.all);
	free(walk->links);
	*walk = (struct usage_walk){0};
}

/* ---- A run ---- */

struct run {
	struct usage_walk *walk;
	uint32_t count_before; /* places and links */
	uint32_t entries;
	uint64_t cookie; /* of the directory: behind the last entry that was met; 0: none was */
	bool is_cut; /* the limit was reached before its end */
};

static uint32_t count_of(const struct usage_walk *walk)
{
	return walk->places.count + walk->elsewhere.count + walk->link_count;
}

/* Places that were read through may have made room for more news: they count as if they were still there. */
static bool is_full(const struct run *run)
{
	uint32_t count = count_of(run->walk);

	return run->entries >= run->walk->entries_max ||
	       (count > run->count_before && count - run->count_before >= run->walk->news_max);
}

/* A file that has one name is counted, and a link is added for any other. */
static int meet_file(struct usage_walk *walk, const struct attributes *attributes)
{
	struct usage_link link = {.ino = attributes->ino,
		.size = S_ISREG(attributes->mode) ? attributes->size : 0,
		.disk_size = attributes->blocks * FS_BLOCK_SIZE};

	note_ctime(&walk->usage, attributes->ctime);
	if (attributes->nlink > 1)
		return usage_walk_add_link(walk, &link);
	count_file(&walk->usage, link.size, link.disk_size);
	return 0;
}

static bool is_dot_or_dot_dot(const struct read_entry *entry)
{
	return slice_compare(entry->name, slice_of(".", 1)) == 0 ||
	       slice_compare(entry->name, slice_of("..", 2)) == 0;
}

static int on_entry(void *argument, const struct read_entry *entry)
{
	const struct usage_place place = {.ino = entry->ino};
	struct run *run = argument;

	if (is_dot_or_dot_dot(entry))
		return 0;
	run->is_cut = run->cookie > 0 && !entry->continues && is_full(run);
	if (run->is_cut)
		return 1;
	run->entries++;
	run->cookie = entry->next_cookie;
	if (planted("fs:usage_ends_with_region") && !entry->attributes)
		return 0;
	if (!entry->attributes || S_ISDIR(entry->attributes->mode))
		return usage_walk_add_place(run->walk, &place);
	return meet_file(run->walk, entry->attributes);
}

/* Unless it `is_cut`, the place is done with. */
static int read_place(struct run *run, struct view *view, const struct usage_place *place)
{
	struct usage *usage = &run->walk->usage;
	struct attributes attributes;
	int status = read_attributes(view, place->ino, &attributes);

	run->entries++;
	run->cookie = 0;
	run->is_cut = false;
	if (status != 0)
		return status == -ESTALE ? 0 : status;
	if (!S_ISDIR(attributes.mode))
		return meet_file(run->walk, &attributes);
	note_ctime(usage, attributes.ctime);
	if (place->cookie == 0)
		usage->directories++;
	return read_directory(view, place->ino, place->cookie, true, on_entry, run);
}

/* Where the place was done with, the last of its children takes its position. */
static int read_last(struct run *run, struct view *view)
{
	struct usage_places *places = &run->walk->places;
	uint32_t i = places->count - 1;
	const struct usage_place place = places->all[i];
	int status = read_place(run, view, &place);

	if (status == STATUS_KEY_NOT_IN_REGION)
		status = add_place(&run->walk->elsewhere, &place);
	if (run->is_cut)
		places->all[i].cookie = run->cookie;
	else
		places->all[i] = places->all[--places->count];
	return status;
}

/* What has begun first, so that it is read last. */
static int compare_places(const void *a, const void *b)
{
	const struct usage_place *left = a, *right = b;

	if ((left->cookie > 0) != (right->cookie > 0))
		return left->cookie > 0 ? -1 : 1;
	return (left->ino > right->ino) - (left->ino < right->ino);
}

int usage_walk_run(struct usage_walk *walk, struct view *view)
{
	struct run run = {.walk = walk, .count_before = count_of(walk)};
	struct usage_places *elsewhere = &walk->elsewhere;
	int status = 0;

	while (status == 0 && walk->places.count > 0 && !is_full(&run))
		status = read_last(&run, view);
	if (elsewhere->count > 0)
		qsort(elsewhere->all, elsewhere->count, sizeof *elsewhere->all, compare_places);
	return status;
}

/* ---- A whole tree ---- */

int usage_count_links(struct usage_walk *walk, struct ino_set *linked)
{
	for (uint32_t i = 0; i < walk->link_count; i++) {
		const struct usage_link *link = &walk->links[i];
		int status = ino_set_add(linked, link->ino, USAGE_LINKED_MAX);

		PLANT("fs:usage_counts_names", status = 1);
		if (status == -ENOMEM)
			return status;
		if (status != 0)
			count_file(&walk->usage, link->size, link->disk_size);
	}
	walk->link_count = 0;
	return 0;
}

static void add_usage(struct usage *sum, const struct usage *part)
{
	sum->size += part->size;
	sum->disk_size += part->disk_size;
	sum->files += part->files;
	sum->directories += part->directories;
	note_ctime(sum, part->ctime);
}

static int join_places(struct usage_walk *walk, const struct usage_places *places)
{
	int status = 0;

	for (uint32_t i = 0; i < places->count && status == 0; i++)
		status = usage_walk_add_place(walk, &places->all[i]);
	return status;
}

int usage_walk_join(struct usage_walk *walk, struct usage_walk *other)
{
	int status = join_places(walk, &other->places);

	if (status == 0)
		status = join_places(walk, &other->elsewhere);
	for (uint32_t i = 0; i < other->link_count && status == 0; i++)
		status = usage_walk_add_link(walk, &other->links[i]);
	add_usage(&walk->usage, &other->usage);
	usage_walk_clear(other);
	return status;
}

int usage_finish(const struct usage_walk *walk, uint64_t ino, struct usage *usage)
{
	*usage = walk->usage;
	if (!fs_ino_is_directory(ino))
		return usage->files > 0 ? 0 : -ESTALE;
	if (usage->directories == 0)
		return -ESTALE;
	usage->directories--;
	return 0;
}

int usage_read(struct view *view, uint64_t ino, struct usage *usage)
{
	const struct usage_place top = {.ino = ino};
	struct usage_walk walk = {.entries_max = WHOLE_ENTRIES_MAX, .news_max = WHOLE_NEWS_MAX};
	struct ino_set linked = {0};
	int status = usage_walk_add_place(&walk, &top);

	while (status == 0 && walk.places.count > 0) {
		status = usage_walk_run(&walk, view);
		if (status == 0 && walk.elsewhere.count > 0)
			status = STATUS_KEY_NOT_IN_REGION;
		if (status == 0)
			status = usage_count_links(&walk, &linked);
	}
	if (status == 0)
		status = usage_finish(&walk, ino, usage);
	ino_set_close(&linked);
	usage_walk_close(&walk);
	return status;
}

/* ---- As bytes ---- */

void usage_place_encode(const struct usage_place *place, struct writer *writer)
{
	writer_varint(writer, place->ino);
	writer_varint(writer, place->cookie);
}

static int decode_place(struct reader *reader, struct usage_places *places)
{
	struct usage_place place;

	place.ino = reader_varint(reader);
	place.cookie = reader_varint(reader);
	if (place.ino == 0)
		reader_fail(reader);
	return reader->status < 0 ? reader->status : add_place(places, &place);
}

static int decode_link(struct reader *reader, struct usage_walk *walk)
{
	struct usage_link link;

	link.ino = reader_varint(reader);
	link.size = reader_varint(reader);
	link.disk_size = reader_varint(reader);
	if (link.ino == 0)
		reader_fail(reader);
	return reader->status < 0 ? reader->status : usage_walk_add_link(walk, &link);
}

int usage_places_decode(struct slice bytes, uint32_t count_max, struct usage_walk *walk)
{
	struct reader reader = reader_of(bytes);
	uint32_t count = 0;
	int status = 0;

	while (status == 0 && reader_has_more(&reader))
		status = count++ < count_max ? decode_place(&reader, &walk->places) : STATUS_MALFORMED;
	return status;
}

static void encode_places(const struct usage_places *places, struct writer *writer)
{
	writer_varint(writer, places->count);
	for (uint32_t i = 0; i < places->count; i++)
		usage_place_encode(&places->all[i], writer);
}

int usage_walk_encode(const struct usage_walk *walk, struct buf **bytes)
{
	struct writer writer = writer_growing((count_of(walk) + 1) * (size_t)USAGE_RECORD_SIZE_MAX);

	encode_places(&walk->places, &writer);
	encode_places(&walk->elsewhere, &writer);
	for (uint32_t i = 0; i < walk->link_count; i++) {
		writer_varint(&writer, walk->links[i].ino);
		writer_varint(&writer, walk->links[i].size);
		writer_varint(&writer, walk->links[i].disk_size);
	}
	return writer_take(&writer, bytes);
}

static int decode_places(struct reader *reader, struct usage_places *places)
{
	uint64_t count = reader_varint(reader);
	int status = reader->status;

	for (uint64_t i = 0; i < count && status == 0; i++)
		status = decode_place(reader, places);
	return status;
}

int usage_walk_decode(struct slice bytes, struct usage_walk *walk)
{
	struct reader reader = reader_of(bytes);
	int status = decode_places(&reader, &walk->places);

	if (status == 0)
		status = decode_places(&reader, &walk->elsewhere);
	while (status == 0 && reader_has_more(&reader))
		status = decode_link(&reader, walk);
	return status;
}
