/*
 * waits.h: the blocking lock requests of a mount, found by the kernel's id when a signal interrupts one. SETLKW and
 * INTERRUPT call it (ops_setlk.c), on any lane.
 *
 * An INTERRUPT may be read by another lane than the request that it is about, so the registry is the front's. It only
 * says that a request was interrupted; the request answers itself, on its own loop. An INTERRUPT may even be handled
 * before its request is: the last ones that were about no known request are remembered (ids are never used again).
 */
#ifndef RAFTKV_FS_VFS_WAITS_H
#define RAFTKV_FS_VFS_WAITS_H

#include <stdbool.h>
#include <stdint.h>

struct waits;
struct request;

int waits_new(struct waits **waits);
void waits_free(struct waits *waits); /* may be NULL; empty */
/* 0 or -ENOMEM. The request may be interrupted already: waits_is_interrupted. */
int waits_add(struct waits *waits, uint64_t unique, struct request *request);
void waits_remove(struct waits *waits, uint64_t unique);
bool waits_is_interrupted(struct waits *waits, uint64_t unique);
/* Marks the request and calls `wake` with it, under the registry's mutex. False: no such request. */
bool waits_interrupt(struct waits *waits, uint64_t unique, void (*wake)(struct request *request));

/* All of them: the session is over. */
void waits_interrupt_all(struct waits *waits, void (*wake)(struct request *request));

#endif
