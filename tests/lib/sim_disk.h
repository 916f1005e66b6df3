/*
 * sim_disk.h: a simulated disk with a filesystem: its present content (*now*), the content that a power loss would leave
 * (*safe*), and every change in between. It knows nothing of time, requests or faults.
 */
#ifndef RAFTKV_TESTS_LIB_SIM_DISK_H
#define RAFTKV_TESTS_LIB_SIM_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SIM_SECTOR 512u
#define SIM_PAGE   4096u

struct sim_world;

struct sim_page {
	bool has_space; /* false: punched, cut off or unlinked; kept for what a power loss may bring back */
	unsigned char now[SIM_PAGE];
	unsigned char safe[SIM_PAGE];
	uint64_t safe_since[SIM_PAGE / SIM_SECTOR]; /* sequence of the sector's newest safe version */
};

enum sim_change_kind { SIM_CHANGE_WRITE, SIM_CHANGE_ZERO, SIM_CHANGE_SIZE };

/* A change of a file that is not safe yet. */
struct sim_change {
	struct sim_change *next;
	enum sim_change_kind kind;
	uint64_t sequence;
	uint64_t offset; /* whole sectors */
	uint64_t size;
	uint64_t end; /* the file is at least so long with it; SIM_CHANGE_SIZE: so long */
	unsigned char image[]; /* SIM_CHANGE_WRITE: the sectors as they were after it */
};

struct sim_inode;

struct sim_entry {
	struct sim_entry *next; /* sorted by name */
	struct sim_inode *inode;
	char name[256];
};

/* A change of a directory that is not safe yet: `name` is `inode`, or nothing. */
struct sim_entry_change {
	struct sim_entry_change *next;
	struct sim_entry_change *twin; /* the other half of a rename: both become safe together */
	struct sim_inode *directory;
	struct sim_inode *inode;
	uint64_t sequence;
	char name[256];
};

struct sim_inode {
	struct sim_inode *next; /* of the disk */
	bool is_directory;
	bool is_marked; /* while collecting */
	uint32_t link_count; /* now: in directories */
	uint32_t open_count;
	bool is_locked;
	/* A file. */
	struct sim_page **pages; /* NULL: a hole */
	uint64_t page_count;
	uint64_t size;
	uint64_t safe_size;
	struct sim_change *changes; /* the oldest first */
	struct sim_change **changes_end;
	uint64_t size_change_count; /* of those of SIM_CHANGE_SIZE */
	/* A directory. */
	struct sim_entry *entries;
	struct sim_entry *safe_entries;
	struct sim_entry_change *entry_changes; /* the oldest first */
	struct sim_entry_change **entry_changes_end;
};

struct sim_disk {
	struct sim_inode *root;
	struct sim_inode *inodes;
	uint64_t sequence;
	uint64_t used_pages;
	uint64_t capacity; /* pages; UINT64_MAX: no limit */
};

/* sim_disk_names.c: the directories. */
void sim_disk_init(struct sim_disk *disk);
void sim_disk_close(struct sim_disk *disk);

/* `to`, which is empty, gets what is on `from` now, all of it safe. */
void sim_disk_copy(struct sim_disk *to, const struct sim_disk *from);

/* Names. `path` is split at '/'. 0, -ENOENT, -ENOTDIR, -ENAMETOOLONG. */
int sim_disk_find(struct sim_disk *disk, const char *path, struct sim_inode **inode);
/* The directory of the path's last name. */
int sim_disk_find_parent(
	struct sim_disk *disk, const char *path, struct sim_inode **directory, const char **name);
struct sim_inode *sim_disk_lookup(const struct sim_inode *directory, const char *name); /* NULL: none */
struct sim_inode *sim_disk_create(
	struct sim_disk *disk, struct sim_inode *directory, const char *name, bool is_directory);
void sim_disk_remove(struct sim_disk *disk, struct sim_inode *directory, const char *name);
void sim_disk_rename(struct sim_disk *disk, struct sim_inode *from, const char *from_name,
	struct sim_inode *to, const char *to_name);
void sim_disk_sync_directory(struct sim_disk *disk, struct sim_inode *directory);
void sim_disk_crash_names(struct sim_disk *disk, struct sim_world *world);

/* sim_disk.c: the bytes. Reads are within the size. */
void sim_disk_read(const struct sim_inode *file, uint64_t offset, unsigned char *bytes, size_t size);
/* 0 or -ENOSPC, and then nothing is changed. */
int sim_disk_write(struct sim_disk *disk, struct sim_inode *file, uint64_t offset, const unsigned char *bytes,
	size_t size);
void sim_disk_truncate(struct sim_disk *disk, struct sim_inode *file, uint64_t size);
int sim_disk_allocate(struct sim_disk *disk, struct sim_inode *file, uint64_t offset, uint64_t size);
void sim_disk_punch(struct sim_disk *disk, struct sim_inode *file, uint64_t offset, uint64_t size);
void sim_disk_sync(struct sim_disk *disk, struct sim_inode *file);
void sim_disk_sync_range(struct sim_disk *disk, struct sim_inode *file, uint64_t offset, size_t size);
void sim_disk_sync_fails(struct sim_inode *file); /* its changes can never become safe any more */
void sim_disk_release(struct sim_disk *disk, struct sim_inode *inode); /* a name or an open file of it went */
void sim_disk_free_inode(struct sim_inode *file);
void sim_disk_copy_file(
	struct sim_disk *disk, struct sim_inode *to, const struct sim_inode *from); /* `to`: new */
void sim_disk_flip(struct sim_inode *file, uint64_t offset, unsigned int bit); /* now and safe */

/* Power loss: see sim_env.h. Files that no safe name leads to are gone. No file is open after it. */
void sim_disk_crash(struct sim_disk *disk, struct sim_world *world);

#endif
