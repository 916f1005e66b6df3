/*
 * check.h: whether a store is what it should be: every row decodes and fits every other.
 *
 * Works on a store opened with inspect.h, in passes over its rows in their order:
 *
 *   regions.c   region and apply states; the regions partition the key space
 *   census.c    every inode is entered in the table (inodes.h); where files are created
 *   names.c     entries: what they mean exists, is of that type, and has this name; rows beside inodes
 *   local.c     sessions, slots, holds and garbage: the regions' own rows
 *   extents.c   units: each in one file at most, inside it, as many as the file says; with `data` their checksums
 *   links.c     link counts, parents, loops, what nothing leads to: from the table alone
 *   paths.c     names for what was found wrong
 *
 * Memory: the table (24 bytes an inode, 48 more a directory), the block store's list of free runs, and at most
 * REPORT_PROBLEM_COUNT_MAX problems; everything else is streamed.
 */
#ifndef RAFTKV_FS_CHECK_CHECK_H
#define RAFTKV_FS_CHECK_CHECK_H

#include "fs/check/inodes.h"
#include "fs/check/report.h"
#include "store/open/inspect.h"
#include "store/rows/keys.h"

struct check_options {
	bool data; /* read every unit and compare its checksum */
	/* Now and then. Nonzero ends the check with -ECANCELED. May be NULL. */
	int (*progress)(void *argument, const char *pass, double done);
	void *argument;
};

struct check_counts {
	uint64_t files; /* all but directories */
	uint64_t directories;
	uint64_t units; /* mapped */
	uint64_t units_read;
	uint64_t replayed; /* entries of the log */
	uint64_t applying; /* regions of which a snapshot was being installed: then files are not looked at */
	uint64_t held; /* inodes without a name that somebody has open */
};

struct check {
	struct inspect *inspect;
	struct check_options options;
	struct inodes inodes;
	struct report report;
	struct check_counts counts;
	uint64_t rows; /* since the last progress */
	const char *pass;
};

/* 0: the check was made, and `report` says what it found; -ECANCELED, -ENOMEM, or an error of the KV engine. */
int check_run(struct check *check, struct inspect *inspect, const struct check_options *options);
void check_close(struct check *check);

/* ---- For the passes ---- */

int check_regions(struct check *check);
int check_census(struct check *check);
int check_names(struct check *check);
int check_local(struct check *check);
int check_extents(struct check *check);
void check_links(struct check *check);
int check_paths(struct check *check);

/* Each row of [low, high) of the engine's keys; a nonzero return ends the walk and is returned. */
typedef int (*check_row_cb)(struct check *check, void *argument, struct slice key, struct slice value);
int check_walk(struct check *check, const struct key *low, const struct key *high, check_row_cb each,
	void *argument);
/* Each row of KEY_DATA, with its own key. */
int check_walk_data(struct check *check, const char *pass, check_row_cb each, void *argument);

/* Row of KEY_DATA. */
int check_get(struct check *check, const struct fs_key *key, struct kv_value *value);
/* `*inode` without target and xattrs. 0, STATUS_NOT_FOUND, STATUS_CORRUPT, … */
int check_get_inode(struct check *check, uint64_t ino, struct inode *inode);
/* The region that has a key of KEY_DATA; 0: none. */
uint64_t check_region_of(const struct check *check, struct slice key);

/* The parts of a key of KEY_DATA that every kind has: dirid, letter and, but for 'E' and 'S', seq. False: malformed. */
struct check_key {
	uint64_t dirid;
	char letter;
	uint64_t ino; /* of 'E' and 'S': the directory (dirid, 1) */
};
bool check_parse_key(struct slice key, struct check_key *parsed);

#endif
