/* violation.h: how a run ends that has found a promise broken: with a sentence. */
#ifndef RAFTKV_TESTS_SIM_VIOLATION_H
#define RAFTKV_TESTS_SIM_VIOLATION_H

/* Prints and ends the process: a process runs one seed. */
_Noreturn void violation(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
