/*
 * dirty_file.h: the data of one file that has been acknowledged and is not durable yet. Only write_back.c calls this,
 * under its mutex.
 *
 * The data lies in chunks, in the order in which it came. Each chunk becomes one operation; neighbouring writes join
 * the last chunk while it is open. Several chunks may be in flight, in any order unless they overlap.
 */
#ifndef RAFTKV_FS_INODES_DIRTY_FILE_H
#define RAFTKV_FS_INODES_DIRTY_FILE_H

#include "fs/inodes/write_back.h"
#include "proto/hash.h"

struct dirty_chunk {
	struct client_call call; /* the write-back's, while the chunk is in flight */
	struct write_back *write_back; /* set by the write-back when it sends the chunk */
	struct dirty_file *file;
	struct dirty_chunk *next; /* of the file, in order of arrival */
	struct dirty_chunk *next_to_send;
	uint64_t sequence; /* counts the chunks of all files */
	uint64_t offset;
	size_t size;
	size_t capacity;
	uint8_t *bytes; /* aligned to pages; owned by the payload once the chunk is sent */
	uint32_t flags; /* of all its writes */
	struct fs_time time; /* of its last write */
	bool is_open;
	bool is_sent;
};

struct dirty_file {
	uint64_t ino;
	struct dirty_chunk *first;
	struct dirty_chunk *last;
	uint64_t size; /* bytes of all chunks, also of those in flight */
	uint64_t oldest_ns; /* env_now, when its oldest data came, or was last taken to be sent for its age */
	unsigned in_flight; /* chunks */
	struct write_back_waiter *waiters;
	UT_hash_handle hh; /* of write_back.files */
};

/* One write to be added. */
struct dirty_write {
	uint64_t offset;
	const uint8_t *data;
	size_t size;
	uint32_t flags;
	struct fs_time time;
};

/* Joins the data to the last chunk or begins new ones, each with the next `*sequence`. 0 or -ENOMEM; after -ENOMEM the
 * file may hold a part of the data, and file->size says how much. */
int dirty_file_add(struct dirty_file *file, const struct dirty_write *write, uint64_t *sequence);
/* Closes the last chunk: later writes do not join it, so that it can be sent. */
void dirty_file_close(struct dirty_file *file);
/* The chunks that can be sent now, as a list by `next_to_send`, marked as sent. They stay in the file. */
struct dirty_chunk *dirty_file_take_ready(struct dirty_file *file);
/* Removes a sent chunk that has been answered. The chunk is the caller's to free. */
void dirty_file_remove(struct dirty_file *file, struct dirty_chunk *chunk);
/* Offset of the end of its data; 0: it has none. */
uint64_t dirty_file_end(const struct dirty_file *file);

/* The last chunk that the waiter waits for; NULL: none. */
const struct dirty_chunk *dirty_file_awaited(
	const struct dirty_file *file, const struct write_back_waiter *waiter);
/* Takes out the waiters for which no awaited chunk is left in the file. */
struct write_back_waiter *dirty_file_take_satisfied(struct dirty_file *file);
/* Sets the error of those who wait for a chunk that could not be written. */
void dirty_file_fail(struct dirty_file *file, const struct dirty_chunk *chunk, int error);

/* Lays the data over the store's attributes, as eval_write will leave them. */
void dirty_file_lay_over(const struct dirty_file *file, struct attributes *attributes);

#endif
