/* The bytes of files: pages, what of them is safe, and what a power loss makes of the rest. */
#include "tests/lib/sim_disk.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proto/check.h"
#include "tests/lib/sim_internal.h"

#define SECTORS (SIM_PAGE / SIM_SECTOR)

/* Pages without bytes of their own, which read as zeroes: one that has disk space but was never written; one that only
 * zeroes were written to; and such a one whose space was given back, which a power loss may bring back. */
enum { RESERVED, ZEROED, ZEROED_BEFORE, BLANKS };
static struct sim_page blanks[BLANKS] = {
	[RESERVED] = {.has_space = true}, [ZEROED] = {.has_space = true}, [ZEROED_BEFORE] = {0}};

static bool is_blank(const struct sim_page *page)
{
	return !page || (page >= blanks && page < blanks + BLANKS);
}

static bool is_written(const struct sim_page *page)
{
	return !is_blank(page);
}

static bool has_space(const struct sim_page *page)
{
	return page && page->has_space;
}

static uint64_t smaller(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t larger(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static uint64_t pages_of(uint64_t size)
{
	return (size + SIM_PAGE - 1) / SIM_PAGE;
}

/* ---- Pages ------------------------------------------------------------------------------------------------------ */

static void grow_pages(struct sim_inode *file, uint64_t count)
{
	if (count <= file->page_count)
		return;
	count = larger(count, file->page_count * 2);
	file->pages = realloc(file->pages, count * sizeof *file->pages);
	check(file->pages);
	memset(file->pages + file->page_count, 0, (count - file->page_count) * sizeof *file->pages);
	file->page_count = count;
}

/* Gives disk space to the holes of [offset, offset + size). */
static int reserve(struct sim_disk *disk, struct sim_inode *file, uint64_t offset, uint64_t size)
{
	uint64_t end = pages_of(offset + size), missing = 0;

	grow_pages(file, end);
	for (uint64_t i = offset / SIM_PAGE; i < end; i++)
		missing += !has_space(file->pages[i]);
	if (missing > 0 &&
		(disk->used_pages >= disk->capacity || missing > disk->capacity - disk->used_pages))
		return -ENOSPC;
	disk->used_pages += missing;
	for (uint64_t i = offset / SIM_PAGE; i < end; i++) {
		if (!file->pages[i])
			file->pages[i] = &blanks[RESERVED];
		else if (file->pages[i] == &blanks[ZEROED_BEFORE])
			file->pages[i] = &blanks[ZEROED];
		else if (is_written(file->pages[i]))
			file->pages[i]->has_space = true;
	}
	return 0;
}

static struct sim_page *page_to_write(struct sim_inode *file, uint64_t number)
{
	check(file->pages[number]);
	if (!is_written(file->pages[number])) {
		file->pages[number] = sim_allocate(sizeof *file->pages[number]);
		file->pages[number]->has_space = true;
	}
	return file->pages[number];
}

/* Gives the disk space of whole pages back; what they held may still come back in a power loss. */
static void give_back(struct sim_disk *disk, struct sim_inode *file, uint64_t first, uint64_t end)
{
	for (uint64_t i = first; i < smaller(end, file->page_count); i++) {
		disk->used_pages -= has_space(file->pages[i]);
		if (is_written(file->pages[i]))
			file->pages[i]->has_space = false;
		else if (file->pages[i] == &blanks[RESERVED])
			file->pages[i] = NULL;
		else if (file->pages[i])
			file->pages[i] = &blanks[ZEROED_BEFORE];
	}
}

void sim_disk_read(const struct sim_inode *file, uint64_t offset, unsigned char *bytes, size_t size)
{
	while (size > 0) {
		uint64_t number = offset / SIM_PAGE;
		size_t skip = offset % SIM_PAGE, part = smaller(size, SIM_PAGE - skip);
		const struct sim_page *page = number < file->page_count ? file->pages[number] : NULL;

		if (is_written(page))
			memcpy(bytes, page->now + skip, part);
		else
			memset(bytes, 0, part);
		offset += part;
		bytes += part;
		size -= part;
	}
}

static bool are_zeroes(const unsigned char *bytes, size_t size)
{
	return bytes[0] == 0 && memcmp(bytes, bytes + 1, size - 1) == 0;
}

/* Sets the present bytes of a page. */
static void write_page(
	struct sim_inode *file, uint64_t number, size_t skip, const unsigned char *bytes, size_t size)
{
	if (is_blank(file->pages[number]) && are_zeroes(bytes, size))
		file->pages[number] = &blanks[ZEROED];
	else
		memcpy(page_to_write(file, number)->now + skip, bytes, size);
}

/* Sets the present bytes; NULL: zeroes, where something was written. */
static void set_now(struct sim_inode *file, uint64_t offset, const unsigned char *bytes, uint64_t size)
{
	while (size > 0) {
		size_t skip = offset % SIM_PAGE, part = smaller(size, SIM_PAGE - skip);

		if (bytes) {
			write_page(file, offset / SIM_PAGE, skip, bytes, part);
			bytes += part;
		} else if (offset / SIM_PAGE < file->page_count &&
			   is_written(file->pages[offset / SIM_PAGE])) {
			memset(file->pages[offset / SIM_PAGE]->now + skip, 0, part);
		}
		offset += part;
		size -= part;
	}
}

/* ---- Changes ---------------------------------------------------------------------------------------------------- */

static bool is_blank_range(const struct sim_inode *file, uint64_t offset, uint64_t size)
{
	for (uint64_t i = offset / SIM_PAGE; i < pages_of(offset + size); i++)
		if (i < file->page_count && !is_blank(file->pages[i]))
			return false;
	return true;
}

static void add_change(struct sim_disk *disk, struct sim_inode *file, enum sim_change_kind kind,
	uint64_t offset, uint64_t size, uint64_t end)
{
	uint64_t first = offset / SIM_SECTOR * SIM_SECTOR;
	uint64_t whole = (offset + size + SIM_SECTOR - 1) / SIM_SECTOR * SIM_SECTOR - first;
	struct sim_change *change;
	size_t image;

	if (kind == SIM_CHANGE_WRITE && is_blank_range(file, first, whole))
		kind = SIM_CHANGE_ZERO;
	image = kind == SIM_CHANGE_WRITE ? whole : 0;
	change = malloc(sizeof *change + image);
	check(change);
	*change = (struct sim_change){0};
	change->kind = kind;
	change->sequence = ++disk->sequence;
	change->offset = first;
	change->size = whole;
	change->end = end;
	sim_disk_read(file, first, change->image, image);
	file->size_change_count += kind == SIM_CHANGE_SIZE;
	*file->changes_end = change;
	file->changes_end = &change->next;
}

/* Makes one sector of a change safe, unless a later version of it is. */
static void settle_sector(struct sim_inode *file, const struct sim_change *change, uint64_t offset)
{
	struct sim_page *page = offset / SIM_PAGE < file->page_count ? file->pages[offset / SIM_PAGE] : NULL;
	uint64_t sector = offset % SIM_PAGE / SIM_SECTOR;

	/* Without bytes: it reads as zeroes in any case. */
	if (!is_written(page) || page->safe_since[sector] > change->sequence)
		return;
	page->safe_since[sector] = change->sequence;
	if (change->kind == SIM_CHANGE_WRITE)
		memcpy(page->safe + sector * SIM_SECTOR, change->image + (offset - change->offset),
			SIM_SECTOR);
	else
		memset(page->safe + sector * SIM_SECTOR, 0, SIM_SECTOR);
}

/* Cuts the safe version off at `end`, but for what became safe since. */
static void cut_safe(struct sim_inode *file, uint64_t end, uint64_t sequence)
{
	uint64_t limit = smaller(file->safe_size, file->page_count * SIM_PAGE);

	for (uint64_t at = end; at < limit; at = (at / SIM_SECTOR + 1) * SIM_SECTOR) {
		struct sim_page *page = file->pages[at / SIM_PAGE];

		if (is_written(page) && page->safe_since[at % SIM_PAGE / SIM_SECTOR] < sequence)
			memset(page->safe + at % SIM_PAGE, 0, SIM_SECTOR - at % SIM_SECTOR);
	}
}

static void settle_size(struct sim_inode *file, const struct sim_change *change)
{
	if (change->kind == SIM_CHANGE_SIZE) {
		cut_safe(file, change->end, change->sequence);
		file->safe_size = change->end;
	} else {
		file->safe_size = larger(file->safe_size, change->end);
	}
}

static void settle(struct sim_inode *file, const struct sim_change *change)
{
	for (uint64_t at = 0; at < change->size; at += SIM_SECTOR)
		settle_sector(file, change, change->offset + at);
	settle_size(file, change);
}

static void drop_first_change(struct sim_inode *file)
{
	struct sim_change *change = file->changes;

	file->changes = change->next;
	file->size_change_count -= change->kind == SIM_CHANGE_SIZE;
	if (!file->changes)
		file->changes_end = &file->changes;
	free(change);
}

void sim_disk_sync(struct sim_disk *disk, struct sim_inode *file)
{
	(void)disk;
	while (file->changes) {
		settle(file, file->changes);
		drop_first_change(file);
	}
}

void sim_disk_sync_fails(struct sim_inode *file)
{
	while (file->changes)
		drop_first_change(file);
}

/* A journal orders changes of the size: a write made safe takes those before it along, with the changes they order. */
static void settle_sizes(struct sim_inode *file)
{
	while (file->size_change_count > 0) {
		settle(file, file->changes);
		drop_first_change(file);
	}
}

void sim_disk_sync_range(struct sim_disk *disk, struct sim_inode *file, uint64_t offset, size_t size)
{
	uint64_t end = smaller(offset + size, file->size);
	uint64_t sequence = ++disk->sequence;

	settle_sizes(file);
	for (uint64_t at = offset / SIM_SECTOR * SIM_SECTOR; at < end; at += SIM_SECTOR) {
		struct sim_page *page = file->pages[at / SIM_PAGE];
		uint64_t sector = at % SIM_PAGE / SIM_SECTOR;

		check(page);
		if (is_blank(page))
			continue;
		memcpy(page->safe + sector * SIM_SECTOR, page->now + sector * SIM_SECTOR, SIM_SECTOR);
		page->safe_since[sector] = sequence;
	}
	file->safe_size = larger(file->safe_size, end);
}

/* ---- Operations ------------------------------------------------------------------------------------------------- */

int sim_disk_write(struct sim_disk *disk, struct sim_inode *file, uint64_t offset, const unsigned char *bytes,
	size_t size)
{
	if (size == 0)
		return 0;
	if (reserve(disk, file, offset, size) < 0)
		return -ENOSPC;
	file->size = larger(file->size, offset + size);
	set_now(file, offset, bytes, size);
	add_change(disk, file, SIM_CHANGE_WRITE, offset, size, offset + size);
	return 0;
}

void sim_disk_truncate(struct sim_disk *disk, struct sim_inode *file, uint64_t size)
{
	if (size < file->size) {
		set_now(file, size, NULL, file->size - size);
		give_back(disk, file, pages_of(size), file->page_count);
	}
	file->size = size;
	add_change(disk, file, SIM_CHANGE_SIZE, 0, 0, size);
}

void sim_disk_copy_file(struct sim_disk *disk, struct sim_inode *to, const struct sim_inode *from)
{
	for (uint64_t i = 0; i < from->page_count; i++) {
		if (!has_space(from->pages[i]))
			continue;
		check(reserve(disk, to, i * SIM_PAGE, SIM_PAGE) == 0);
		if (is_written(from->pages[i]))
			check(sim_disk_write(disk, to, i * SIM_PAGE, from->pages[i]->now, SIM_PAGE) == 0);
	}
	sim_disk_truncate(disk, to, from->size);
	sim_disk_sync(disk, to);
}

int sim_disk_allocate(struct sim_disk *disk, struct sim_inode *file, uint64_t offset, uint64_t size)
{
	if (reserve(disk, file, offset, size) < 0)
		return -ENOSPC;
	if (offset + size > file->size)
		sim_disk_truncate(disk, file, offset + size);
	return 0;
}

void sim_disk_punch(struct sim_disk *disk, struct sim_inode *file, uint64_t offset, uint64_t size)
{
	uint64_t end = smaller(offset + size, file->page_count * SIM_PAGE);
	uint64_t first_page = pages_of(offset), end_page = end / SIM_PAGE;

	if (offset >= end)
		return;
	set_now(file, offset, NULL, end - offset);
	/* Sectors of pages that keep some of their bytes are written, whole pages dropped. */
	if (first_page > end_page) {
		add_change(disk, file, SIM_CHANGE_WRITE, offset, end - offset, 0);
		return;
	}
	if (offset < first_page * SIM_PAGE)
		add_change(disk, file, SIM_CHANGE_WRITE, offset, first_page * SIM_PAGE - offset, 0);
	if (first_page < end_page)
		add_change(disk, file, SIM_CHANGE_ZERO, first_page * SIM_PAGE,
			(end_page - first_page) * SIM_PAGE, 0);
	if (end_page * SIM_PAGE < end)
		add_change(disk, file, SIM_CHANGE_WRITE, end_page * SIM_PAGE, end - end_page * SIM_PAGE, 0);
	give_back(disk, file, first_page, end_page);
}

void sim_disk_flip(struct sim_inode *file, uint64_t offset, unsigned int bit)
{
	struct sim_page *page = offset / SIM_PAGE < file->page_count ? file->pages[offset / SIM_PAGE] : NULL;

	if (page == &blanks[ZEROED])
		page = page_to_write(file, offset / SIM_PAGE);
	if (!is_written(page))
		return;
	page->now[offset % SIM_PAGE] ^= (unsigned char)(1u << bit);
	page->safe[offset % SIM_PAGE] ^= (unsigned char)(1u << bit);
}

/* ---- Power loss ------------------------------------------------------------------------------------------------- */

/* How one power loss treats changes: drawn once, so that some drop all, some keep all, some tear. */
struct loss {
	struct sim_world *world;
	uint32_t keep_ppm;
	uint64_t grain; /* bytes that share a fate; UINT64_MAX: the whole change */
};

static struct loss draw_loss(struct sim_world *world)
{
	static const uint32_t keep[] = {0, 100000, 500000, 500000, 900000, 1000000};
	static const uint64_t grains[] = {SIM_SECTOR, SIM_PAGE, SIM_PAGE, UINT64_MAX};

	return (struct loss){
		.world = world,
		.keep_ppm = keep[sim_random(world, sizeof keep / sizeof *keep)],
		.grain = grains[sim_random(world, sizeof grains / sizeof *grains)],
	};
}

static void settle_some(const struct loss *loss, struct sim_inode *file, const struct sim_change *change)
{
	bool keep = sim_chance(loss->world, loss->keep_ppm), any = keep;

	for (uint64_t at = 0; at < change->size; at += SIM_SECTOR) {
		if (at > 0 && (change->offset + at) % loss->grain == 0)
			keep = sim_chance(loss->world, loss->keep_ppm);
		if (keep)
			settle_sector(file, change, change->offset + at);
		any = any || keep;
	}
	/* The size may be there without the bytes. */
	if (any || sim_chance(loss->world, loss->keep_ppm / 4))
		settle_size(file, change);
}

/* What is safe is all there is. */
static void fall_back(struct sim_inode *file)
{
	uint64_t count = smaller(pages_of(file->safe_size), file->page_count);

	for (uint64_t i = 0; i < file->page_count; i++) {
		struct sim_page *page = file->pages[i];

		if (i >= count) {
			if (is_written(page))
				free(page);
			file->pages[i] = NULL;
		} else if (is_written(page)) {
			size_t used = smaller(SIM_PAGE, file->safe_size - i * SIM_PAGE);

			memset(page->safe + used, 0, SIM_PAGE - used);
			memcpy(page->now, page->safe, SIM_PAGE);
			page->has_space = true;
		} else if (page == &blanks[ZEROED_BEFORE]) {
			file->pages[i] = &blanks[ZEROED];
		}
	}
	file->size = file->safe_size;
}

static void crash_file(const struct loss *loss, struct sim_inode *file)
{
	while (file->changes) {
		settle_some(loss, file, file->changes);
		drop_first_change(file);
	}
	fall_back(file);
}

void sim_disk_crash(struct sim_disk *disk, struct sim_world *world)
{
	struct loss loss = draw_loss(world);

	for (struct sim_inode *inode = disk->inodes; inode; inode = inode->next) {
		inode->open_count = 0;
		inode->is_locked = false;
		if (!inode->is_directory)
			crash_file(&loss, inode);
	}
	sim_disk_crash_names(disk, world);
	disk->used_pages = 0;
	for (struct sim_inode *inode = disk->inodes; inode; inode = inode->next) {
		for (uint64_t i = 0; i < inode->page_count; i++)
			disk->used_pages += has_space(inode->pages[i]);
	}
}

void sim_disk_release(struct sim_disk *disk, struct sim_inode *inode)
{
	/* Its bytes stay: an unsynced removal may be undone. */
	if (inode->link_count == 0 && inode->open_count == 0)
		give_back(disk, inode, 0, inode->page_count);
}

void sim_disk_free_inode(struct sim_inode *inode)
{
	sim_disk_sync_fails(inode);
	for (uint64_t i = 0; i < inode->page_count; i++) {
		if (is_written(inode->pages[i]))
			free(inode->pages[i]);
	}
	free(inode->pages);
	free(inode);
}
