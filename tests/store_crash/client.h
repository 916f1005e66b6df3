/*
 * Clients: a few sessions of a few slots, each with one operation at a time, and readers. What they are told goes into
 * the model. They outlive the processes of the machine: after a restart each slot asks again for what it has no answer
 * to, as a client on another machine would. A slot of session 0 cannot, and never learns what became of it.
 */
#ifndef RAFTKV_TESTS_STORE_CRASH_CLIENT_H
#define RAFTKV_TESTS_STORE_CRASH_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/store_crash/machine.h"
#include "tests/lib/things_model.h"

#define CLIENT_SLOTS_MAX   12u
#define CLIENT_READERS_MAX 4u

struct clients;
struct slot;

struct request {
	struct raftkv_write write; /* the first member */
	struct slot *slot;
	bool is_waiting; /* with the store */
	int status; /* the answer */
	struct buf *reply;
};

struct slot {
	struct clients *clients;
	uint64_t session; /* 0: none */
	uint32_t number; /* of the session's */
	uint64_t sequence;
	uint64_t operation; /* without an answer; 0: none */
	bool is_retry; /* it was asked for before */
	uint64_t opened; /* regions (a bit each) that know the session */
	struct buf *body;
	struct buf *payload;
	/* Of this process. */
	struct env_loop *loop;
	struct env_timer timer;
	uint64_t region, epoch_version; /* that are asked, by a copy, too */
	struct request first;
	struct request copy; /* sent before the first is answered */
	bool is_opening; /* `first` opens the session */
	bool is_calling; /* inside raftkv_async_write */
	bool has_copy; /* then only the copy's answer counts */
};

struct reading {
	struct clients *clients;
	uint32_t thing;
	uint64_t certain; /* when it began */
	/* Of this process. */
	uint64_t region, epoch_version; /* that were asked */
	struct env_loop *loop;
	struct env_timer timer;
	struct raftkv_read read;
	bool is_waiting; /* for `read` */
	bool is_calling;
	struct raftkv_snapshot *snapshot;
	struct env_work work;
	bool is_busy;
	bool is_again; /* it was not answered: the same thing once more */
};

struct clients {
	struct machine *machine;
	struct things_model *model;
	struct slot slots[CLIENT_SLOTS_MAX];
	uint32_t slot_count;
	struct reading readings[CLIENT_READERS_MAX];
	uint32_t reading_count;
	uint64_t budget; /* operations that may begin */
	uint32_t unmap_next; /* things from here on are unmapped as a whole; THINGS_MAX: none */
	uint32_t read_next; /* things from here on have not been read in this process */
	uint64_t think; /* ns between operations, at most */
	bool is_leaving; /* nothing new begins, nothing is asked again */
	bool may_fail_to_read; /* reads of objects may fail: the disk does */
	bool may_be_full; /* the disk is */
	uint64_t operations; /* asked for */
	uint64_t refusals; /* for want of space */
};

void clients_init(struct clients *clients, struct machine *machine, struct things_model *model);
/* A new process: to be called before its loops run. */
void clients_enter(struct clients *clients);
/* Of idle clients: the operations to come are one for each thing, which unmaps its object. */
void clients_unmap_all(struct clients *clients);
/* Every slot has its answer, every thing has been read, and nothing is to begin. */
bool clients_are_idle(const struct clients *clients);
/* Nothing of the clients is with the store or the loops. */
bool clients_are_gone(const struct clients *clients);
/* Region `child` may be split off `parent`: then it knows the sessions that are known there now. */
void clients_inherit(struct clients *clients, uint64_t parent, uint64_t child);

#endif
