/*
 * test_evaluator.h: a small evaluator for tests of the store: rows that are put, read, compared, appended to and
 * deleted, objects whose units are written, patched and unmapped, sessions, and notes.
 *
 * Notes are rows of KEY_LOCAL, in the region that the request is for. A region may begin at any key. When it is split, a note whose key is not below the split
 * key moves to the upper half, and the others stay. The note with the empty key is copied: the upper half's is
 * TEST_NOTE_COPY.
 *
 * The test_op_… functions make request bodies. Keys are text. A reply is one byte, TEST_DONE or TEST_REFUSED (no such
 * row, or it does not compare), and then the row's value, if the operation gives one.
 */
#ifndef RAFTKV_TESTS_LIB_TEST_EVALUATOR_H
#define RAFTKV_TESTS_LIB_TEST_EVALUATOR_H

#include "store/evaluate/evaluator.h"

#define TEST_NOTE_COPY "copy"

enum test_reply { TEST_DONE, TEST_REFUSED };

/* The one evaluator: it has no state. */
struct evaluator *test_evaluator(void);

struct buf *test_op_put(const char *key, const char *value);
struct buf *test_op_get(const char *key);
struct buf *test_op_delete(const char *key);
/* Puts `value` if the row is `expected` ("": there is none). */
struct buf *test_op_compare(const char *key, const char *expected, const char *value);
struct buf *test_op_append(const char *key, const char *suffix); /* replies the whole value */
/* The request's payload becomes units of the object from `first` on. */
struct buf *test_op_write(const char *object, uint64_t first);
/* One byte of a unit changes: what lies around it must be read. */
struct buf *test_op_patch(const char *object, uint64_t unit, uint16_t offset, uint8_t byte);
struct buf *test_op_unmap(const char *object, uint64_t first, uint64_t count);
/* STATUS_INCOMPLETE, with the reply of test_op_get, as long as there is no such row. Then it is deleted. */
struct buf *test_op_take(const char *key);
/* Makes the session known to the region. */
struct buf *test_op_open(uint64_t session);
struct buf *test_op_note(const char *key, const char *value);
struct buf *test_op_noted(const char *key); /* replies the note's value */

#endif
