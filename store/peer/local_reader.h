/*
 * LocalReader: serves reads on the calling thread while the leader's lease allows, without entering the peer's loop.
 *
 * What it knows of a region is in the route, where the peer publishes it. Order matters (consensus.md § The lease): see
 * that the peer serves and that all it has committed is visible, take the snapshot, *then* read the clock and compare it with the
 * lease, and see that it is still the same term that serves.
 */
#ifndef RAFTKV_STORE_PEER_LOCAL_READER_H
#define RAFTKV_STORE_PEER_LOCAL_READER_H

#include <stdint.h>

struct raftkv;
struct raftkv_read;
struct raftkv_snapshot;
struct route;

/* 0; STATUS_WOULD_BLOCK: only the loop can tell; STATUS_REGION_NOT_FOUND; -ENOMEM. Any thread. */
int local_reader_snapshot(
	struct raftkv *raftkv, uint64_t region, uint64_t epoch_version, struct raftkv_snapshot **snapshot);
/* Ends a read: with a snapshot of now when `status` is 0. */
void local_reader_finish(struct raftkv *raftkv, struct route *route, struct raftkv_read *read, int status);
/* Hands a result to the read's loop, later. */
void local_reader_answer(struct raftkv_read *read, int status, struct raftkv_snapshot *snapshot);

#endif
