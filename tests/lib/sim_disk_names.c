/* The names of a simulated disk: directories now, directories after a power loss, and the changes between. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/check.h"
#include "tests/lib/sim_disk.h"
#include "tests/lib/sim_internal.h"

static struct sim_inode *new_inode(struct sim_disk *disk, bool is_directory)
{
	struct sim_inode *inode = sim_allocate(sizeof *inode);

	inode->is_directory = is_directory;
	inode->changes_end = &inode->changes;
	inode->entry_changes_end = &inode->entry_changes;
	inode->next = disk->inodes;
	disk->inodes = inode;
	return inode;
}

/* ---- Entries ---------------------------------------------------------------------------------------------------- */

/* The place of `name` in a sorted list: its entry, or where one would go. */
static struct sim_entry **place_of(struct sim_entry **list, const char *name)
{
	while (*list && strcmp((*list)->name, name) < 0)
		list = &(*list)->next;
	return list;
}

static bool stands_at(struct sim_entry *const *place, const char *name)
{
	return *place && strcmp((*place)->name, name) == 0;
}

/* `name` is `inode` from now on; NULL: nothing. */
static void set_entry(struct sim_entry **list, const char *name, struct sim_inode *inode)
{
	struct sim_entry **place = place_of(list, name), *entry = *place;

	if (stands_at(place, name) && inode) {
		entry->inode = inode;
	} else if (stands_at(place, name)) {
		*place = entry->next;
		free(entry);
	} else if (inode) {
		entry = sim_allocate(sizeof *entry);
		snprintf(entry->name, sizeof entry->name, "%s", name);
		entry->inode = inode;
		entry->next = *place;
		*place = entry;
	}
}

static void free_entries(struct sim_entry **list)
{
	while (*list)
		set_entry(list, (*list)->name, NULL);
}

struct sim_inode *sim_disk_lookup(const struct sim_inode *directory, const char *name)
{
	struct sim_entry *entries = directory->entries, **place = place_of(&entries, name);

	return stands_at(place, name) ? (*place)->inode : NULL;
}

int sim_disk_find_parent(
	struct sim_disk *disk, const char *path, struct sim_inode **directory, const char **name)
{
	const char *last = strrchr(path, '/');
	char parent[1024];
	int status;

	*name = last ? last + 1 : path;
	if (strlen(*name) > 255 || strlen(path) >= sizeof parent)
		return -ENAMETOOLONG;
	snprintf(parent, sizeof parent, "%.*s", last ? (int)(last - path) : 0, path);
	status = sim_disk_find(disk, parent, directory);
	if (status < 0)
		return status;
	return (*directory)->is_directory ? 0 : -ENOTDIR;
}

int sim_disk_find(struct sim_disk *disk, const char *path, struct sim_inode **inode)
{
	struct sim_inode *at = disk->root;
	char copy[1024], *rest = NULL;

	if (strlen(path) >= sizeof copy)
		return -ENAMETOOLONG;
	strcpy(copy, path);
	for (char *name = strtok_r(copy, "/", &rest); name; name = strtok_r(NULL, "/", &rest)) {
		if (!at->is_directory)
			return -ENOTDIR;
		at = sim_disk_lookup(at, name);
		if (!at)
			return -ENOENT;
	}
	*inode = at;
	return 0;
}

/* ---- Changes ---------------------------------------------------------------------------------------------------- */

/* Changes the present, and notes it for the future. */
static struct sim_entry_change *change_entry(
	struct sim_disk *disk, struct sim_inode *directory, const char *name, struct sim_inode *inode)
{
	struct sim_entry_change *change = sim_allocate(sizeof *change);
	struct sim_inode *before = sim_disk_lookup(directory, name);

	set_entry(&directory->entries, name, inode);
	if (inode)
		inode->link_count++;
	if (before) {
		before->link_count--;
		sim_disk_release(disk, before);
	}
	change->directory = directory;
	change->inode = inode;
	change->sequence = ++disk->sequence;
	snprintf(change->name, sizeof change->name, "%s", name);
	*directory->entry_changes_end = change;
	directory->entry_changes_end = &change->next;
	return change;
}

static struct sim_entry_change *take_first_change(struct sim_inode *directory)
{
	struct sim_entry_change *change = directory->entry_changes;

	directory->entry_changes = change->next;
	if (!directory->entry_changes)
		directory->entry_changes_end = &directory->entry_changes;
	return change;
}

/* Makes the changes up to `sequence` safe, each with its twin and what comes before that. */
static void settle_names(struct sim_inode *directory, uint64_t sequence)
{
	while (directory->entry_changes && directory->entry_changes->sequence <= sequence) {
		struct sim_entry_change *change = take_first_change(directory), *twin = change->twin;

		set_entry(&directory->safe_entries, change->name, change->inode);
		if (twin) {
			twin->twin = NULL;
			settle_names(twin->directory, twin->sequence);
		}
		free(change);
	}
}

struct sim_inode *sim_disk_create(
	struct sim_disk *disk, struct sim_inode *directory, const char *name, bool is_directory)
{
	struct sim_inode *inode = new_inode(disk, is_directory);

	change_entry(disk, directory, name, inode);
	return inode;
}

void sim_disk_remove(struct sim_disk *disk, struct sim_inode *directory, const char *name)
{
	change_entry(disk, directory, name, NULL);
}

void sim_disk_rename(struct sim_disk *disk, struct sim_inode *from, const char *from_name,
	struct sim_inode *to, const char *to_name)
{
	struct sim_entry_change *gain = change_entry(disk, to, to_name, sim_disk_lookup(from, from_name));
	struct sim_entry_change *loss = change_entry(disk, from, from_name, NULL);

	gain->twin = loss;
	loss->twin = gain;
}

/* ---- Collecting ------------------------------------------------------------------------------------------------- */

static void mark(struct sim_inode *inode)
{
	if (!inode || inode->is_marked)
		return;
	inode->is_marked = true;
	for (const struct sim_entry *entry = inode->entries; entry; entry = entry->next)
		mark(entry->inode);
	for (const struct sim_entry *entry = inode->safe_entries; entry; entry = entry->next)
		mark(entry->inode);
	for (const struct sim_entry_change *change = inode->entry_changes; change; change = change->next) {
		mark(change->inode);
		mark(change->twin ? change->twin->directory : NULL);
	}
}

static void free_inode(struct sim_inode *inode)
{
	free_entries(&inode->entries);
	free_entries(&inode->safe_entries);
	while (inode->entry_changes)
		free(take_first_change(inode));
	sim_disk_free_inode(inode);
}

/* Frees what no name, present or possible, and no open file leads to. */
static void collect(struct sim_disk *disk)
{
	for (struct sim_inode *inode = disk->inodes; inode; inode = inode->next)
		inode->is_marked = false;
	mark(disk->root);
	for (struct sim_inode *inode = disk->inodes; inode; inode = inode->next) {
		if (inode->open_count > 0)
			mark(inode);
	}
	for (struct sim_inode **place = &disk->inodes; *place;) {
		struct sim_inode *inode = *place;

		if (inode->is_marked) {
			place = &inode->next;
			continue;
		}
		*place = inode->next;
		free_inode(inode);
	}
}

void sim_disk_sync_directory(struct sim_disk *disk, struct sim_inode *directory)
{
	settle_names(directory, UINT64_MAX);
	collect(disk);
}

/* ---- Power loss ------------------------------------------------------------------------------------------------- */

static uint64_t draw_last_kept(struct sim_world *world, const struct sim_inode *directory)
{
	uint64_t count = 0, kept, sequence = 0;

	for (const struct sim_entry_change *change = directory->entry_changes; change; change = change->next)
		count++;
	kept = sim_random(world, 4) == 0 ? 0 : sim_random(world, count + 1);
	for (const struct sim_entry_change *change = directory->entry_changes; kept > 0;
		change = change->next) {
		sequence = change->sequence;
		kept--;
	}
	return sequence;
}

/* What is safe is all there is. */
static void fall_back(struct sim_inode *directory)
{
	while (directory->entry_changes)
		free(take_first_change(directory));
	free_entries(&directory->entries);
	for (const struct sim_entry *entry = directory->safe_entries; entry; entry = entry->next) {
		set_entry(&directory->entries, entry->name, entry->inode);
		entry->inode->link_count++;
	}
}

void sim_disk_crash_names(struct sim_disk *disk, struct sim_world *world)
{
	for (struct sim_inode *inode = disk->inodes; inode; inode = inode->next) {
		inode->link_count = 0;
		settle_names(inode, draw_last_kept(world, inode));
	}
	for (struct sim_inode *inode = disk->inodes; inode; inode = inode->next)
		fall_back(inode);
	collect(disk);
}

void sim_disk_init(struct sim_disk *disk)
{
	*disk = (struct sim_disk){.capacity = UINT64_MAX};
	disk->root = new_inode(disk, true);
}

void sim_disk_close(struct sim_disk *disk)
{
	while (disk->inodes) {
		struct sim_inode *inode = disk->inodes;

		disk->inodes = inode->next;
		free_inode(inode);
	}
}

/* ---- Copies ----------------------------------------------------------------------------------------------------- */

static void copy_directory(struct sim_disk *disk, struct sim_inode *to, const struct sim_inode *from)
{
	for (const struct sim_entry *entry = from->entries; entry; entry = entry->next) {
		struct sim_inode *inode = sim_disk_create(disk, to, entry->name, entry->inode->is_directory);

		if (inode->is_directory)
			copy_directory(disk, inode, entry->inode);
		else
			sim_disk_copy_file(disk, inode, entry->inode);
	}
	sim_disk_sync_directory(disk, to);
}

void sim_disk_copy(struct sim_disk *to, const struct sim_disk *from)
{
	copy_directory(to, to->root, from->root);
}
