/*
 * check() catches mistakes of our own: it tests one condition that the code itself must keep, and aborts with its text
 * and place. It is always compiled in. Bytes from a disk, a network or a user are never tested with it: wrong ones are
 * errors (status.h).
 */
#ifndef RAFTKV_PROTO_CHECK_H
#define RAFTKV_PROTO_CHECK_H

#define check(condition)                                                                                     \
	(__builtin_expect(!!(condition), 1) ? (void)0                                                        \
					    : check_failed(#condition, __FILE__, __LINE__, __func__))

/* Prints one line on stderr and aborts. */
_Noreturn void check_failed(const char *condition, const char *file, int line, const char *function);

#endif
