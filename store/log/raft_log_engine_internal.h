/*
 * raft_log_engine_internal.h: shared by the files of the raft log engine: the engine, its writer and its reclaimer.
 *
 * One lock guards all memory; no file is touched and no callback runs under it. The state of a batch in flight (the
 * buffer, its list of writes, the moved entries) belongs to the thread that set `writer.busy` until the batch is
 * complete.
 */
#ifndef RAFTKV_STORE_LOG_RAFT_LOG_ENGINE_INTERNAL_H
#define RAFTKV_STORE_LOG_RAFT_LOG_ENGINE_INTERNAL_H

#include "store/log/log_engine.h"
#include "store/log/batch.h"
#include "store/log/log_memory.h"
#include "store/log/segment.h"

/* The reclaimer's write: live entries of an old segment and states of regions, for the front of the next batch.
 * Replaced entries are left out when the batch is built: no other write is in flight then, and all other writes of the
 * batch come after the move. */
struct log_move {
	struct log_record *entries; /* LOG_RECORD_MOVED_ENTRY; kind 0 if left out */
	struct log_position *places; /* the position at which each was read */
	size_t entry_count;
	const uint64_t *regions; /* whose base, hard state and marks are written again */
	size_t region_count;
	int status;
	struct raft_log_engine *engine;
	struct env_loop *loop; /* of `done` */
	struct env_mail mail;
	env_mail_cb done;
};

struct log_writer {
	bool busy; /* a batch is in flight, or a segment for it is being made */
	struct log_write_queue queued;
	uint32_t waiting; /* writes that may wait which came since the queue was empty */
	bool is_urged; /* what is queued is written, and does not wait */
	struct log_write_queue writing; /* the writes of the batch in flight */
	struct log_move *move_queued;
	struct log_move *move_writing;
	struct log_segment *active;
	uint32_t end; /* offset in `active` where the next batch goes */
	uint64_t next_number; /* of batches */
	uint64_t oldest; /* the first segment that is needed */
	struct log_batch batch; /* in flight */
	uint32_t moved_size; /* bytes of the batch's records that belong to the move */
	uint8_t *buffer;
	size_t buffer_size;
	struct iovec vector;
	struct env_file_request request;
	uint64_t begun; /* env_now: of the request */
	struct histogram durations; /* of such requests */
	struct env_work work; /* makes a segment */
	struct log_segment *made;
	int make_result; /* of the work */
	int make_status; /* the plan's: why no segment could be made */
	bool waits_for_maker; /* log_writer_resume continues once a segment was made or could not be made */
};

/* A piece of a segment in memory. */
struct log_window {
	uint8_t *bytes;
	size_t capacity;
	uint64_t sequence; /* of the segment; 0: empty */
	uint64_t offset;
	size_t size;
};

struct log_candidate {
	uint64_t region;
	uint64_t index;
	uint32_t offset;
};

enum log_reclaim_next { LOG_RECLAIM_STEP, LOG_RECLAIM_MOVE, LOG_RECLAIM_END };

struct log_reclaimer {
	struct log_reclaim *reclaim; /* running; NULL: none */
	enum log_reclaim_next next; /* the next action, set by the step that ended */
	uint64_t victim; /* sequence of the segment that is being emptied; 0: none chosen */
	bool retired; /* a durable batch names a later segment as the oldest */
	struct log_candidate *candidates; /* its live entries, by offset */
	size_t candidate_count;
	size_t candidate_next;
	uint64_t *regions; /* regions whose states must be written again */
	size_t region_count;
	size_t region_next;
	struct log_move move;
	struct log_window window; /* the moved entries borrow from it */
};

struct raft_log_engine {
	struct log_memory memory;
	struct log_engine_options options;
	char *path;
	struct log_segments segments;
	struct log_writer writer;
	struct log_reclaimer reclaimer;
	int failure; /* final; every later write gets it */
	uint64_t syncs;
	uint64_t records;
};

#define LOG_SPARES     2 /* segments made ahead: one for the writer, one in reserve for writes without entries */
#define LOG_SPARES_MAX 4 /* spares kept when segments are recycled */

/* Not under the lock. Stops the engine for good and calls `failed` once. A write in flight ends by itself. */
void raft_log_engine_fail(struct raft_log_engine *engine, int status, const char *what);

/* recovery.c: fills index, segments and writer from the files. */
int log_recovery_run(struct raft_log_engine *engine, struct status *status);

/* writer.c */
void log_writer_submit(struct log_engine *engine, struct log_write *write);
void log_writer_hurry(struct log_engine *engine);
void log_writer_submit_move(struct raft_log_engine *engine, struct log_move *move);
/* A segment was made, or could not be made: continues if the writer waited for it. */
void log_writer_resume(struct raft_log_engine *engine, int make_status);
/* Whether `status` is a shortage that may pass (space, descriptors, memory). */
bool log_status_is_shortage(int status);
/* Under the lock: the number of segments after the active one. */
uint64_t log_writer_spares(const struct raft_log_engine *engine);

/* reclaim.c */
void log_reclaimer_start(struct log_engine *engine, struct log_reclaim *reclaim);
void log_reclaimer_close(struct log_reclaimer *reclaimer);

/* reader.c */
int log_reader_entries(struct log_engine *engine, uint64_t region, uint64_t low, uint64_t high,
	uint64_t size_max, bool cached_only, struct raft_entries *out);
int log_reader_beside(struct log_engine *engine, uint64_t region, uint64_t index, struct buf **bytes);
/* *Blocks.* Reads bytes [offset, offset + size) of a segment, whose file must stay open meanwhile. One read fetches up
 * to `ahead` bytes. */
int log_window_read(struct log_window *window, const struct log_segments *segments,
	const struct log_segment *segment, uint64_t offset, size_t size, size_t ahead, struct slice *bytes);
void log_window_close(struct log_window *window);

#endif
