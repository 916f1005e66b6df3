/*
 * report.h: what a check has found wrong: one problem each, with the sentence for people and, where it is sure what is
 * right, the fix.
 *
 * Problems are kept up to a limit and only counted beyond. The subject of a problem is an inode (named by its path once
 * paths.c has found it) or, with ino 0, the store.
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
	FIX_ENTRY_COUNT, /* inode.entries */
	FIX_UNIT_COUNT, /* inode.units */
	FIX_PARENT, /* inode.parent */
	FIX_ADOPT, /* `ino` gets a name in /lost+found; its link count, without that name, is `value` */
	FIX_DELETE_DATA, /* the row `key` of KEY_DATA goes */
	FIX_DELETE_LOCAL, /* … of KEY_LOCAL */
	FIX_GARBAGE, /* the inode is listed as having garbage */
	FIX_INODE_COUNT, /* of the region that has `ino` */
};

struct fix {
	enum fix_kind kind;
	uint64_t ino;
	uint64_t value;
	struct buf *key;
};

struct problem {
	const char *code; /* what kind of problem: a word for programs; static */
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
	uint64_t total; /* with those that were not kept */
	int status; /* -ENOMEM once a problem could not be kept */
};

/* Gives the problem that was added, for its fix; NULL: over the limit, only counted. */
struct problem *report_add(struct report *report, const char *code, uint64_t ino, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
/* `problem` may be NULL. */
void report_fix(struct problem *problem, enum fix_kind kind, uint64_t ino, uint64_t value);
void report_fix_row(struct problem *problem, enum fix_kind kind, uint64_t ino, struct slice key);
void report_close(struct report *report);

/* A name for people: control characters and bytes that are no UTF-8 text become \ooo. At most `size` with the NUL. */
void report_quote(struct slice name, char *text, size_t size);

#endif
