/*
 * LocalReader: serves reads on the calling thread while the leader's lease allows, without entering the peer's loop.
 *
 * The peer publishes its state in the route. The order of steps matters (consensus.md § The lease): check that the peer
 * serves and that all committed entries are visible, take the snapshot, *then* compare the clock with the lease, and
 * check that the serving term is the same.
 */
#ifndef RAFTKV_STORE_PEER_LOCAL_READER_H
#define RAFTKV_STORE_PEER_LOCAL_READER_H

#include <stdint.h>

struct raftkv;
struct raftkv_read;
struct raftkv_snapshot;
struct route;

/* 0; STATUS_WOULD_BLOCK: the peer's loop must answer, or out of memory; STATUS_REGION_NOT_FOUND. Any thread. */
int local_reader_snapshot(
	struct raftkv *raftkv, uint64_t region, uint64_t epoch_version, struct raftkv_snapshot **snapshot);
/* Ends a read; with `status` 0 it takes a snapshot of the present state. */
void local_reader_finish(struct raftkv *raftkv, struct route *route, struct raftkv_read *read, int status);
/* Mails the result to the read's loop. */
void local_reader_answer(struct raftkv_read *read, int status, struct raftkv_snapshot *snapshot);

#endif
