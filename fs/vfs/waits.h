/*
 * waits.h: the blocking lock requests of a mount, by the kernel's id, so that INTERRUPT finds the one that a signal
 * interrupts. SETLKW and INTERRUPT call it (ops_setlk.c), on any lane.
 *
 * An INTERRUPT may be read by another lane than its request, so there is one registry for all lanes. It only records
 * that a request was interrupted; the request replies on its own loop. An INTERRUPT may even be handled before its
 * request: the last ones that matched no request are remembered. (The kernel does not use an id twice.)
 */
#ifndef RAFTKV_FS_VFS_WAITS_H
#define RAFTKV_FS_VFS_WAITS_H

#include <stdbool.h>
#include <stdint.h>

struct waits;
struct request;

int waits_new(struct waits **waits);
void waits_free(struct waits *waits); /* may be NULL; empty */
/* 0 or -ENOMEM. The request may have been interrupted before: waits_is_interrupted. */
int waits_add(struct waits *waits, uint64_t unique, struct request *request);
void waits_remove(struct waits *waits, uint64_t unique);
bool waits_is_interrupted(struct waits *waits, uint64_t unique);
/* Marks the request as interrupted and calls `wake` with it, under the registry's mutex. False: no such request. */
bool waits_interrupt(struct waits *waits, uint64_t unique, void (*wake)(struct request *request));

/* waits_interrupt for all requests, when the kernel has closed the connection. */
void waits_interrupt_all(struct waits *waits, void (*wake)(struct request *request));

#endif
