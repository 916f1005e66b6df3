/* violation.h: ends a run that has found a broken promise, with a sentence. */
#ifndef RAFTKV_TESTS_SIM_VIOLATION_H
#define RAFTKV_TESTS_SIM_VIOLATION_H

/* Prints the sentence and ends the process, which runs one seed. */
_Noreturn void violation(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
