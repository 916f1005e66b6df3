/*
 * dirty_file.h: the data of one file that has been acknowledged and is not durable yet, as the write-back keeps it
 * (write_back.c, which alone calls this, under its mutex).
 *
 * The data lies in chunks, in the order in which it came. Each becomes one operation; neighbouring writes join the last
 * one while it is open. Several chunks are on their way at a time, in any order unless they overlap.
 */
#ifndef RAFTKV_FS_INODES_DIRTY_FILE_H
#define RAFTKV_FS_INODES_DIRTY_FILE_H

#include <uthash.h>

#include "fs/inodes/write_back.h"

struct dirty_chunk {
	struct client_call call; /* the write-back's, while it is sent */
	struct write_back *write_back; /* the same */
	struct dirty_file *file;
	struct dirty_chunk *next; /* of the file, in order of arrival */
	struct dirty_chunk *next_to_send;
	uint64_t sequence; /* of the chunks of all files */
	uint64_t offset;
	size_t size;
	size_t capacity;
	uint8_t *bytes; /* aligned to pages; the payload's once it is sent */
	uint32_t flags;
	struct fs_time time; /* of the last write in it */
	bool is_open;
	bool is_sent;
};

struct dirty_file {
	uint64_t ino;
	struct dirty_chunk *first;
	struct dirty_chunk *last;
	uint64_t size; /* bytes, sent ones too */
	uint64_t oldest_ns; /* when the first byte of what is here came */
	unsigned in_flight;
	struct write_back_waiter *waiters;
	UT_hash_handle hh; /* the write-back's */
};

/* One write that is to be kept. */
struct dirty_write {
	uint64_t offset;
	const uint8_t *data;
	size_t size;
	uint32_t flags;
	struct fs_time time;
};

/* Joins the data to the last chunk or begins new ones, each with the next `*sequence`. 0 or -ENOMEM: a part of it may be
 * here then. The file's size says how much came. */
int dirty_file_add(struct dirty_file *file, const struct dirty_write *write, uint64_t *sequence);
/* Nothing joins what came so far: all of it is to go. */
void dirty_file_close(struct dirty_file *file);
/* Takes out the chunks to send now (next_to_send). */
struct dirty_chunk *dirty_file_take_ready(struct dirty_file *file);
/* One that was sent has been answered. The chunk is the caller's to free. */
void dirty_file_remove(struct dirty_file *file, struct dirty_chunk *chunk);
/* Where its data ends; 0: there is none. */
uint64_t dirty_file_end(const struct dirty_file *file);

/* The last chunk that somebody waits for; NULL: none. */
const struct dirty_chunk *dirty_file_awaited(
	const struct dirty_file *file, const struct write_back_waiter *waiter);
/* Takes out the waiters whose data is all gone from the file. */
struct write_back_waiter *dirty_file_take_satisfied(struct dirty_file *file);
/* Tells the waiters of a chunk that it could not be written. */
void dirty_file_fail(struct dirty_file *file, const struct dirty_chunk *chunk, int error);

/* Lays the data over the store's attributes, as eval_write will leave them. */
void dirty_file_lay_over(const struct dirty_file *file, struct attributes *attributes);

#endif
