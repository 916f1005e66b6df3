/* Shared by the files of store/apply/; no other file includes it. */
#ifndef RAFTKV_STORE_APPLY_APPLY_INTERNAL_H
#define RAFTKV_STORE_APPLY_APPLY_INTERNAL_H

#include <stdbool.h>
#include <sys/uio.h>

#include "store/apply/apply.h"

#define APPLY_VECTOR_MAX 64

/* One deferred write of small payloads that are adjacent on the disk. */
struct apply_write {
	struct apply_write *next;
	struct apply *apply;
	struct blocks_request request;
	struct iovec vector[APPLY_VECTOR_MAX];
};

/* Adds the task's entries to the batch. A refused entry has its status in the task. 0, or what ends the store. */
int apply_task_entries(struct apply *apply, struct apply_task *task);

#endif
