/*
 * check() guards our own mistakes: a condition the code itself must keep. It is always compiled in, takes one
 * condition, and aborts with its text and place. Bytes from a disk, a network or a user are never checked with it:
 * those are errors (status.h).
 */
#ifndef RAFTKV_PROTO_CHECK_H
#define RAFTKV_PROTO_CHECK_H

#define check(condition)                                                                                     \
	(__builtin_expect(!!(condition), 1) ? (void)0                                                        \
					    : check_failed(#condition, __FILE__, __LINE__, __func__))

/* Prints one line on stderr and aborts. */
_Noreturn void check_failed(const char *condition, const char *file, int line, const char *function);

#endif
