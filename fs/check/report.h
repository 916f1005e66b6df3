/*
 * report.h: the problems that a check has found, each with a sentence for people and, where the check is sure, a fix.
 *
 * Problems are kept up to a limit, and past it only counted. The subject of a problem is an inode (named by its path
 * once paths.c has found it) or, with ino 0, the store.
 */
#ifndef RAFTKV_FS_CHECK_REPORT_H
#define RAFTKV_FS_CHECK_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/buf.h"

#define REPORT_PROBLEM_COUNT_MAX 10000

enum fix_kind {
	FIX_NONE,
	FIX_LINK_COUNT, /* attributes.nlink of `ino` becomes `value` */
	FIX_ENTRY_COUNT, /* inode.entries of `ino` becomes `value` */
	FIX_UNIT_COUNT, /* inode.units of `ino` becomes `value` */
	FIX_PARENT, /* inode.parent of `ino` becomes `value` */
	FIX_ADOPT, /* `ino` gets a name in /lost+found; its link count, without that name, is `value` */
	FIX_DELETE_DATA, /* deletes the row `key` of KEY_DATA */
	FIX_DELETE_LOCAL, /* deletes the row `key` of KEY_LOCAL of region `value` */
	FIX_GARBAGE, /* `ino` gets a G row (keys.h) */
	FIX_INODE_COUNT, /* the count of inodes of the region that has `ino` becomes `value`, as an int64_t */
};

struct fix {
	enum fix_kind kind;
	uint64_t ino;
	uint64_t value;
	struct buf *key;
};

struct problem {
	const char *code; /* the kind of problem, for programs; static */
	uint64_t ino; /* 0: the store */
	char *text; /* a sentence without its subject */
	char *path; /* of `ino`; NULL: unknown */
	struct fix fix;
	bool is_fixed;
};

struct report {
	struct problem *problems;
	size_t count;
	size_t capacity;
	uint64_t total; /* of problems, with those not kept */
	int status; /* -ENOMEM once memory for a problem was lacking */
};

/* Returns the added problem, for report_fix; NULL: not kept, only counted. Valid until the next report_add. */
struct problem *report_add(struct report *report, const char *code, uint64_t ino, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
/* `problem` may be NULL. `key` is copied. */
void report_fix(struct problem *problem, enum fix_kind kind, uint64_t ino, uint64_t value);
void report_fix_row(struct problem *problem, enum fix_kind kind, uint64_t ino, struct slice key);
void report_close(struct report *report);

/* Writes a name for people: ASCII control characters, backslashes and bytes that are not UTF-8 become \ooo. At most
 * `size` bytes with the NUL. */
void report_quote(struct slice name, char *text, size_t size);

#endif
