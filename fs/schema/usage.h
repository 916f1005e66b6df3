/*
 * usage.h: the space and the number of files that a file, or a directory with everything below it, takes.
 *
 * They are counted by a walk over the rows. A walk has places: directories to be read, from the beginning or from a cookie
 * on, and files to be looked at. A run (usage_walk_run) reads places of one view, with what lies below them, until there
 * are none or a limit is reached. What is left are places again, and those that lie in other regions are told apart. So each
 * region counts its part (QUESTION_USAGE), whoever asks carries the places from one region to the next (tree_usage.h),
 * and every entry is read once, wherever a region is split meanwhile.
 *
 * A file that has several names counts once. A run tells each name that it meets as a link, and whoever has the whole
 * tree counts the links (usage_count_links).
 *
 * A place is read before what it came from is read on, so a walk keeps at most the new places of one run for each
 * level of the tree.
 */
#ifndef RAFTKV_FS_SCHEMA_USAGE_H
#define RAFTKV_FS_SCHEMA_USAGE_H

#include "fs/schema/ino_set.h"
#include "fs/schema/rows.h"
#include "store/kv/view.h"

#define USAGE_PLACES_MAX (1u << 20) /* of a walk */
/* Files with several names that are known: each further one counts with each name. */
#define USAGE_LINKED_MAX (1u << 22)

struct usage {
	uint64_t size; /* bytes: the sizes of regular files */
	uint64_t disk_size; /* bytes: the blocks of files */
	uint64_t files; /* all inodes but directories */
	uint64_t directories; /* of a walk: that were begun; usage_finish: without the one asked about */
	struct fs_time ctime; /* the newest of all */
};

struct usage_place {
	uint64_t ino;
	uint64_t cookie; /* of a directory: where its listing goes on; 0: it has not begun */
};

struct usage_places {
	struct usage_place *all;
	uint32_t count, capacity;
};

/* A name of a file that has several. */
struct usage_link {
	uint64_t ino;
	uint64_t size, disk_size; /* what the file adds to a usage */
};

/* Zeroes at first, but for the limits. */
struct usage_walk {
	/* Of a run; > 0: */
	uint32_t entries_max; /* entries and places that it reads */
	uint32_t news_max; /* places and links that it adds */

	struct usage usage;
	struct usage_places places; /* the last one is read first */
	/* Places that a run has found in other regions: those of one region side by side. They come before the others. */
	struct usage_places elsewhere;
	struct usage_link *links; /* not counted yet */
	uint32_t link_count, link_capacity;
};

/* As at first. */
void usage_walk_clear(struct usage_walk *walk);
void usage_walk_close(struct usage_walk *walk);

/* -ENOMEM, also for more than USAGE_PLACES_MAX. */
int usage_walk_add_place(struct usage_walk *walk, const struct usage_place *place);
int usage_walk_add_link(struct usage_walk *walk, const struct usage_link *link);
/* Makes progress, unless no place is in the view's region. A place that is gone is passed over. Takes time in proportion
 * to the limits, so only workers call it, with a view that may block. 0; -ENOMEM; or what the view returned: the walk is
 * void then. */
int usage_walk_run(struct usage_walk *walk, struct view *view);
/* Counts the walk's links. 0 or -ENOMEM. */
int usage_count_links(struct usage_walk *walk, struct ino_set *linked);
/* Adds what a run of another walk has counted, left and met, and empties that. 0 or -ENOMEM. */
int usage_walk_join(struct usage_walk *walk, struct usage_walk *other);
/* What a walk that has no place and no link left has counted from `ino` on. 0 or -ESTALE: no such inode. */
int usage_finish(const struct usage_walk *walk, uint64_t ino, struct usage *usage);

/* A tree that lies in the view's region, in one view. 0; -ESTALE: no such inode; STATUS_KEY_NOT_IN_REGION: a part of it
 * is in another region; -ENOMEM; or what the view returned. For workers, too. */
int usage_read(struct view *view, uint64_t ino, struct usage *usage);

/* ---- As bytes ---- */

#define USAGE_RECORD_SIZE_MAX 40u /* bytes of a place or a link */

/* A list of places in a question. Appends one. */
void usage_place_encode(const struct usage_place *place, struct writer *writer);
/* Adds the places, at most `count_max`, to the walk. 0, -ENOMEM or STATUS_MALFORMED. */
int usage_places_decode(struct slice bytes, uint32_t count_max, struct usage_walk *walk);
/* What a run has left and met, without the usage. 0 and the caller's reference in `*bytes`, or -ENOMEM. */
int usage_walk_encode(const struct usage_walk *walk, struct buf **bytes);
/* Adds it. 0, -ENOMEM or STATUS_MALFORMED. */
int usage_walk_decode(struct slice bytes, struct usage_walk *walk);

#endif
