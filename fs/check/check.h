/*
 * check.h: checks a store: every row decodes and agrees with the others.
 *
 * Works on a store opened with inspect.h, in passes over its rows in the order of their keys:
 *
 *   regions.c   region and apply states; the regions partition the key space
 *   census.c    enters every inode in the table (inodes.h); where files are created
 *   intents.c   what operations across regions left that had not ended
 *   names.c     entries: the inode exists, is of that type, and is found by the name; rows beside inodes
 *   local.c     the regions' own rows: sessions, slots, holds, garbage, records
 *   extents.c   units: each in one file at most, inside it, as many as the file counts; with `data` their checksums
 *   links.c     link counts, parents, loops, unreachable inodes: from the table alone
 *   paths.c     paths of the inodes that have problems
 *
 * A store that is one of many has some regions. What the others hold is not missed: an entry may mean an inode there, and
 * an inode here may have its names there.
 *
 * The rows may instead be those of a whole cluster that is in use (gathering.h). Then there is no log and no block store,
 * and units are not looked at. Rows that one operation changes may be of different moments: suspects.h.
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
	bool is_live; /* the rows are those of a cluster that is in use */
	/* Called now and then; `done` is 0 to 1, of the pass. Nonzero ends the check with -ECANCELED. May be NULL. */
	int (*progress)(void *argument, const char *pass, double done);
	void *argument;
};

struct check_counts {
	uint64_t files; /* all but directories */
	uint64_t directories;
	uint64_t units; /* mapped */
	uint64_t units_read;
	uint64_t replayed; /* entries of the log */
	uint64_t applying; /* regions in which a snapshot was being installed; > 0: files were not checked */
	uint64_t held; /* inodes without a name that a session holds */
	uint64_t intents; /* of operations across regions that had not ended */
	uint64_t committed; /* such operations that had committed */
};

struct check {
	struct inspect *inspect;
	struct check_options options;
	struct inodes inodes;
	struct report report;
	struct check_counts counts;
	bool is_ordered; /* the store's regions are in the order of their ranges, which do not overlap */
	bool is_whole; /* they have the whole key space, each key once */
	uint64_t times; /* a sum over the ctimes of all inodes: another one when any has changed */
	uint64_t rows; /* since the last call of `progress` */
	const char *pass;
};

/* 0: the check is complete, and `report` has what it found; -ECANCELED, -ENOMEM, or an error of the KV engine. The
 * caller closes `check` in any case. */
int check_run(struct check *check, struct inspect *inspect, const struct check_options *options);
void check_close(struct check *check);

/* What changes whenever the problem's inode does, or for a problem of the store any inode. Of a check that is complete, and
 * whose inspect is still open. */
uint64_t check_stamp(struct check *check, const struct problem *problem);

/* ---- For the passes ---- */

int check_regions(struct check *check);
int check_census(struct check *check);
int check_intents(struct check *check);
int check_names(struct check *check);
int check_local(struct check *check);
int check_extents(struct check *check);
void check_links(struct check *check);
int check_paths(struct check *check);

/* Calls `each` for each row of [low, high) of the engine's keys. A nonzero return ends the walk and is returned. */
typedef int (*check_row_cb)(struct check *check, void *argument, struct slice key, struct slice value);
int check_walk(struct check *check, const struct key *low, const struct key *high, check_row_cb each,
	void *argument);
/* Calls `each` for each row of KEY_DATA, with its key of keys.h, and reports progress for `pass`. */
int check_walk_data(struct check *check, const char *pass, check_row_cb each, void *argument);

/* A row of KEY_DATA. 0, STATUS_NOT_FOUND or an error of the KV engine. */
int check_get(struct check *check, const struct fs_key *key, struct kv_value *value);
/* `*inode` has no target and no xattrs. As check_get, or STATUS_CORRUPT. */
int check_get_inode(struct check *check, uint64_t ino, struct inode *inode);
/* Are there intents of the inode, which need not exist? 0 or an error of the KV engine. */
int check_has_intents(struct check *check, uint64_t ino, bool *has);
const struct inspect_region *check_find_region(const struct check *check, uint64_t id); /* NULL: none */
/* The id of the region that has a key of KEY_DATA; 0: none. */
uint64_t check_region_of(const struct check *check, struct slice key);
/* Would the inode's rows be in a region that this store does not have, but others? Whether it exists is not known here. */
bool check_is_elsewhere(const struct check *check, uint64_t ino);

/* As one number. */
uint64_t check_time(const struct fs_time *time);

/* The parts that keys of KEY_DATA share: dirid, letter and seq, which 'E' and 'S' do not have. False: malformed. */
struct check_key {
	uint64_t dirid;
	char letter;
	uint64_t ino; /* 'E' and 'S': of the directory (dirid, 1) */
};
bool check_parse_key(struct slice key, struct check_key *parsed);

#endif
